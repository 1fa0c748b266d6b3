"""Tune: nothing without trials, and a small real search."""

import json

import pytest

from headrace.errors import ConfigError
from headrace.stages.tune import Config, run
from headrace.training.settings import TrainSettings


def test_tune_without_trials_does_nothing(normalized):
    assert run(Config(), normalized) == {"trials": 0}
    written = json.loads(normalized.tune_path.read_bytes())
    assert written.pop("checksum")
    assert written == {"num_trials": 0, "best": {}, "trials": []}


def test_tune_with_only_invalid_trials_fails_without_ray(normalized, monkeypatch):
    monkeypatch.setattr(
        "headrace.cluster.hyperparameter_search.ray_session", lambda *_, **__: pytest.fail("Ray was started")
    )
    normalized.params_path.write_text("train: {model: {name: cnn, blocks: [8, pool]}}\n")
    space = {"model.name": {"choices": ["mlp"]}, "batch_size": {"low": 8, "high": 64}}
    with pytest.raises(ConfigError) as caught:
        run(Config(num_trials=3, space=space), normalized)
    assert str(caught.value).startswith(
        "params.yaml: tune.space: all 3 trials failed; the first: params.yaml: train.model.blocks: unknown key; choose"
    )
    assert not normalized.tune_path.exists()


@pytest.mark.ray
@pytest.mark.slow
def test_tune_searches_on_validation_rows(normalized, capsys):
    normalized.params_path.write_text(
        "train: {model: {name: cnn, blocks: [8, pool], dense: [16]}, batch_size: 50, learning_rate: auto}\n"
    )
    space = {
        "weight_decay": {"low": 1e-6, "high": 2e-2, "log": True},
        "model.dropout": {"choices": [0.0, 0.1]},
        "early_stopping.patience": {"low": 3, "high": 5},
        "model.blocks": {"choices": [[8, "pool"], [8, "pool", "pool", "pool", "pool", "pool"]]},
    }
    metrics = run(Config(num_trials=4, max_epochs=2, space=space, seed=1), normalized)
    report = json.loads(normalized.tune_path.read_bytes())
    assert metrics["trials"] == len(report["trials"]) == 4
    failed = [trial for trial in report["trials"] if trial["status"] == "FAILED"]
    assert metrics["failed"] == len(failed) > 0
    assert all("use fewer blocks" in trial["error"] for trial in failed), "a failure ends only its own trial"
    ended = [trial for trial in report["trials"] if trial["status"] == "FINISHED"]
    best = min(ended, key=lambda trial: trial["metrics"]["val_loss"])
    assert metrics["best_val_loss"] == best["metrics"]["val_loss"]
    assert report["best"]["weight_decay"] == best["settings"]["weight_decay"]
    assert report["best"]["early_stopping"]["patience"] == best["settings"]["early_stopping.patience"]
    assert report["best"]["model"]["dropout"] == best["settings"]["model.dropout"]
    assert 0 < report["best"]["learning_rate"] < 1, "as in the trials: train does not measure it again"
    assert set(report["best"]) == {"weight_decay", "model", "early_stopping", "learning_rate"}, (
        "and no number of workers"
    )
    assert not list((normalized.state_dir / "tune").iterdir())
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    row = next(place for place, line in enumerate(table) if line[:2] == ["trial", "val_loss"])
    assert table[row + 1][:2] == [str(report["trials"].index(best)), f"{best['metrics']['val_loss']:.4f}"]
    TrainSettings.model_validate({"batch_size": 50, **report["best"]})
