"""The registry: tags of a version, its aliases, and the predictions that a run stores."""

import pytest

from headrace.paths import Paths
from headrace.storage.bundle import read_bundle
from headrace.tracking.client import connect
from headrace.tracking.registry import (
    CHAMPION,
    VERSION_METRICS,
    download_test_predictions,
    find_champion,
    make_version_tags,
    set_alias,
)
from headrace.tracking.runs import start_run


def test_version_tags_have_origin_and_metrics(trained: Paths) -> None:
    bundle = read_bundle(trained.trained_dir)
    bundle.card.lineage["data"], bundle.card.lineage["privacy"] = {"raw": "abc"}, {"epsilon": 3.0}
    tags = make_version_tags(bundle, "int8", {"accuracy": 0.98765, "accuracy_low": 0.9, "accuracy_high": 1, "loss": 2})
    assert tags["training_id"] == bundle.card.training_id
    assert (tags["precision"], tags["data.raw"], tags["privacy.epsilon"]) == ("int8", "abc", "3.0")
    assert tags["test.accuracy"] == "0.9877"
    assert {name for name in tags if name.startswith("test.")} == {
        f"test.{name}" for name in VERSION_METRICS["classification"]
    }


def test_champion_is_the_version_with_the_alias(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert find_champion(trained, "shapes") is None, "no such model"
    client = connect(trained)
    client.create_registered_model("shapes")
    assert find_champion(trained, "shapes") is None, "no champion"
    for _ in range(2):
        client.create_model_version("shapes", source=str(trained.trained_dir))
    set_alias(trained, "shapes", CHAMPION, 2)
    assert int(find_champion(trained, "shapes").version) == 2


def test_test_predictions_are_downloaded_if_the_run_has_them(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with start_run(trained, read_bundle(trained.trained_dir).card) as run:
        assert download_test_predictions(trained, run.run_id) is None
        path = trained.root / "predictions.parquet"
        path.write_bytes(b"rows")
        connect(trained).log_artifact(run.run_id, str(path), "reports/test")
        assert download_test_predictions(trained, run.run_id).read_bytes() == b"rows"
