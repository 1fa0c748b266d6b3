"""The registry: tags of a version, its aliases, and the predictions that a run stores."""

from pathlib import Path

import pytest

from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.storage.bundle import read_bundle
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.registry import CHAMPION, VERSION_METRICS, Registry, make_version_tags


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
    registry, client = Registry(trained), connect(trained)
    assert registry.find_champion("shapes") is None, "no such model"
    client.create_registered_model("shapes")
    assert registry.find_champion("shapes") is None, "no champion"
    versions = [client.create_model_version("shapes", source=str(trained.trained_dir)) for _ in range(2)]
    assert [int(version.version) for version in versions] == [1, 2]
    client.set_registered_model_alias("shapes", CHAMPION, "2")
    champion = registry.find_champion("shapes")
    assert champion is not None
    assert (champion.number, champion.run_id, champion.model_id, champion.comparison) == (2, "", "", {})
    assert registry.has_files(champion), "what was registered from a path is not ours to check"
    registry.set_comparison(champion, {"champion_difference": 0.25})
    assert registry.find_champion("shapes").comparison == {"champion_difference": 0.25}


def test_test_predictions_are_downloaded_if_the_run_has_them(
    trained: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    registry, client = Registry(trained), connect(trained)
    run_id = client.create_run(find_or_create_experiment(client, trained)).info.run_id
    (tmp_path / "down").mkdir()
    for missing in ("", "0" * 32, run_id):
        assert registry.download_test_predictions(missing, tmp_path / "down") is None
    path = trained.root / "predictions.parquet"
    path.write_bytes(b"rows")
    client.log_artifact(run_id, str(path), "reports/test")
    assert registry.download_test_predictions(run_id, tmp_path / "down").read_bytes() == b"rows"


def test_training_without_a_finished_run_is_one_line(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match=r"^MLflow: training 0123 has no finished run; run: dvc repro"):
        Registry(trained).find_run("0123")
