"""The search, without Ray: what trials share, and what is not run; tests/stages/test_tune.py runs trials."""

import pytest

from headrace.cluster import hyperparameter_search
from headrace.cluster.hyperparameter_search import Search, resolve_base_settings, run_search, trial_settings
from headrace.paths import Paths
from headrace.training.settings import TrainSettings

BASE = {"model": {"name": "mlp", "dense": [16]}, "batch_size": 16, "learning_rate": 0.01}


def test_trial_settings_are_those_of_one_process() -> None:
    base = TrainSettings.model_validate(BASE).model_dump()
    settings = trial_settings(base, {"model.dropout": 0.5, "seed": 3}, 7)
    assert settings["model"] == {"name": "mlp", "dense": [16], "dropout": 0.5}
    assert (settings["seed"], settings["max_epochs"]) == (3, 7)
    assert (settings["num_workers"], settings["num_threads"]) == (0, 1)


def test_run_search_starts_ray_only_for_valid_and_unfinished_trials(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hyperparameter_search, "ray_session", lambda *_, **__: pytest.fail("Ray was started"))
    base = TrainSettings.model_validate(BASE).model_dump()
    wanted = Search([{"batch_size": 0}, {"model.dense": [0], "model.name": "nothing"}], 2, 1, 2, "val_loss")
    reports: list[dict] = []
    for _ in range(2):
        trials = run_search(base, wanted, Paths(tmp_path), journal_dir=tmp_path / "trials", report=reports.append)
        assert [trial["status"] for trial in trials] == ["FAILED", "FAILED"]
        assert trials[0]["error"].startswith("params.yaml: train.batch_size: got 0;")
        assert "did you mean" in trials[1]["error"] or "choose one of" in trials[1]["error"]
    assert [report["index"] for report in reports] == [0, 1], "finished trials are not repeated"


def test_base_settings_with_searched_auto_values_measure_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hyperparameter_search, "decide", lambda *_: pytest.fail("something was measured"))
    wanted = TrainSettings.model_validate(BASE | {"learning_rate": "auto"})
    space = {"learning_rate": {"low": 1e-4, "high": 1e-2}}
    base, summary = resolve_base_settings(wanted, space, tmp_path, tmp_path / "state")
    assert isinstance(base["learning_rate"], float)
    assert (base["num_workers"], summary) == (0, "")
