"""The registry: tags of a version, its aliases, and the predictions that a run stores."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.settings import register
from headrace.storage.bundle import read_bundle
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.registry import (
    CHAMPION,
    CHAMPION_BEFORE,
    COMPARISON,
    DEFAULT_NAME,
    VERSION_METRICS,
    Registry,
    Version,
    fetch_champion_outcomes,
    make_version_tags,
)


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
    registry.set_tags(champion, {COMPARISON: '{"champion_difference": 0.25}', "why: so": "x"})
    champion = registry.find_champion("shapes")
    assert champion.comparison == {"champion_difference": 0.25}
    assert champion.tags["why:3a: so"] == "x"
    first = registry.find_version("shapes", "1")
    registry.make_champion(first, champion)
    assert registry.find_champion("shapes").tags[CHAMPION_BEFORE] == "2"
    assert registry.find_version("shapes", "7") is None


def test_outcomes_of_a_version_come_from_its_files_or_else_from_its_run(
    trained: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    registry, client = Registry(trained), connect(trained)
    experiment_id = find_or_create_experiment(client, trained)
    run_id = client.create_run(experiment_id).info.run_id
    model = client.create_logged_model(experiment_id, name="shapes", source_run_id=run_id)
    for model_id in ("", "m-" + "0" * 32, model.model_id):
        for missing in ("", "0" * 32, run_id):
            version = Version("shapes", 1, missing, model_id, model.artifact_location, {}, {})
            assert registry.download_outcomes(version, "test") is None
    for folder, name, correct in (("reports/test", "predictions", False), ("evaluation", "test", True)):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({"row_id": ["x"], "correct": [correct], "target": ["a"]}), path)
        if folder == "evaluation":
            (tmp_path / "model" / folder).mkdir(parents=True)
            path.rename(tmp_path / "model" / folder / path.name)
            client.log_model_artifacts(model.model_id, str(tmp_path / "model"))
        else:
            client.log_artifact(run_id, str(path), folder)
        outcomes = registry.download_outcomes(version, "test")
        assert outcomes.to_pydict() == {"row_id": ["x"], "correct": [correct]}
    assert registry.download_outcomes(version, "val") is None, "neither has any"


def test_champion_outcomes_are_those_of_the_registered_name(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trained.params_path.write_text("register: {name: shapes}\n")
    assert fetch_champion_outcomes(trained) == (None, "the registry has no champion of shapes", True)
    client = connect(trained)
    client.create_registered_model("shapes")
    client.create_model_version("shapes", source=str(trained.trained_dir))
    client.set_registered_model_alias("shapes", CHAMPION, "1")
    reason = "the champion, shapes version 1, has no stored answers to validation rows"
    assert fetch_champion_outcomes(trained) == (None, reason, False)
    assert register.Config().name == DEFAULT_NAME


def test_training_without_a_finished_run_is_one_line(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match=r"^MLflow: training 0123 has no finished run; run: dvc repro"):
        Registry(trained).find_run("0123")
