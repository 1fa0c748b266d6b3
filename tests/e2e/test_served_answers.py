"""Served = tested: MLflow's server answers every test row over HTTP as `test` recorded it, for every modality."""

import json

import pyarrow.parquet as pq
import pytest

from headrace.paths import Paths
from headrace.storage.parquet import read_table
from tests.serving import mlflow_server, model_dir, post, register_project, rows_as_json

KINDS = [(modality, "classification") for modality in ("image", "text", "table")] + [("table", "regression")]
ROWS_PER_REQUEST = 64


@pytest.mark.slow
@pytest.mark.parametrize("project", KINDS, indirect=True, ids="-".join)
def test_server_answers_every_test_row_as_it_was_tested(project: Paths) -> None:
    register_project(project)
    assert json.loads(project.registered_path.read_text())["precision"] == "int8"
    tested = json.loads(project.metrics_path("test").read_bytes())
    recorded = pq.read_table(project.report_dir("test") / "predictions.parquet").to_pylist()
    raw = {row["row_id"]: row for row in read_table(project.raw_dir).to_pylist()}
    rows = rows_as_json(project, [raw[row["row_id"]] for row in recorded])
    with mlflow_server(model_dir(project), project.root / "server.log") as address:
        answers = [
            answer
            for start in range(0, len(rows), ROWS_PER_REQUEST)
            for answer in post(address, {"instances": rows[start : start + ROWS_PER_REQUEST]})[1]["predictions"]
        ]
        alone = [post(address, {"instances": [row]})[1]["predictions"][0] for row in rows[:5]]
    assert len(answers) == len(recorded) == tested["num_rows"]
    if "rmse" in tested:
        predicted = [answer["prediction"] for answer in answers]
        assert predicted == pytest.approx([row["predicted"] for row in recorded], rel=1e-6)
        assert [answer["prediction"] for answer in alone] == pytest.approx(predicted[:5], rel=1e-6)
        squares = [(answer - row["target"]) ** 2 for answer, row in zip(predicted, recorded, strict=True)]
        assert (sum(squares) / len(squares)) ** 0.5 == pytest.approx(tested["rmse"], rel=1e-6)
        return
    for answer, row in zip([*answers, *alone], [*recorded, *recorded[:5]], strict=True):
        assert answer["label"] == row["predicted"]
        assert answer["confidence"] == pytest.approx(row["confidence"], abs=1e-6)
        assert answer["probabilities"] == pytest.approx(row["probabilities"], abs=1e-6)
    is_right = [answer["label"] == row["target"] for answer, row in zip(answers, recorded, strict=True)]
    assert sum(is_right) / len(is_right) == tested["accuracy"]
