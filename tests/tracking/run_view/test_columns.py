"""The columns of the table of runs; that MLflow's pages show them is tested in `tests/e2e/test_mlflow_pages.py`."""

import json

from headrace.tracking.run_view.columns import VIEW_TAG, make_runs_path, make_view_tags


def test_columns_begin_with_the_data_and_the_metrics_of_test_rows() -> None:
    tags = make_view_tags()
    columns = json.loads(tags[VIEW_TAG])["selectedColumns"]
    assert columns[:2] == ["attributes.`Dataset`", "metrics.`test/accuracy`"]
    assert {"metrics.`val/accuracy`", "params.`learning_rate`", "tags.`clean`"} <= set(columns)
    assert len(tags[VIEW_TAG]) < 5000, "the limit of a tag of an experiment"


def test_page_of_an_experiment_without_the_view_is_the_plain_one() -> None:
    plain = "/#/experiments/7/runs?workflowType=machine_learning"
    assert make_runs_path("7", {}) == plain
    assert make_runs_path("7", make_view_tags()) == f"{plain}&viewStateShareKey=headrace"
