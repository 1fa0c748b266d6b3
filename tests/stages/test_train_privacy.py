"""Train with `privacy`: what the stage leaves, and what it refuses before anything runs."""

import json

import pytest

from headrace.errors import ConfigError
from headrace.stages import tune
from headrace.stages.train import Config, run
from headrace.storage.bundle import read_bundle
from headrace.tracking.serving_package import make_card

MODEL = {"name": "cnn", "blocks": [8, "pool", 16, "pool"], "dense": [16], "activation": "tanh"}
QUICK = {"model": MODEL, "max_epochs": 2, "batch_size": 50, "learning_rate": 0.01, "num_workers": 0}


def test_train_tells_what_it_spent_in_metrics_and_card(normalized):
    metrics = run(Config(**QUICK, privacy={"epsilon": 20.0, "clip": 0.5}), normalized)
    assert 19.5 < metrics["epsilon"] <= 20
    assert metrics["delta"] == pytest.approx(500**-1.1)
    assert metrics["noise_multiplier"] > 0
    bundle = read_bundle(normalized.trained_dir)
    told = {"clip": 0.5, "secure": True, **{name: metrics[name] for name in ("epsilon", "delta", "noise_multiplier")}}
    assert bundle.card.lineage["privacy"] == told
    assert make_card(bundle, {"temperature": 1.0})["privacy"] == told
    assert not list((normalized.state_dir / "train").iterdir()), "the key is gone"


def test_train_without_privacy_tells_nothing_of_it(normalized):
    metrics = run(Config(**{**QUICK, "max_epochs": 1}), normalized)
    assert not {"epsilon", "delta", "noise_multiplier"} & set(metrics)
    bundle = read_bundle(normalized.trained_dir)
    assert "privacy" not in bundle.card.lineage
    assert "privacy" not in make_card(bundle, {"temperature": 1.0})


def test_train_warns_of_noise_that_everybody_can_make(normalized, caplog):
    run(Config(**{**QUICK, "max_epochs": 1}, privacy={"epsilon": 20.0, "secure": False}), normalized)
    assert any("the model is not private" in message for message in caplog.messages)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": {"name": "resnet"}}, "train.model: 'resnet' has BatchNorm2d, which mixes the rows"),
        ({"privacy": {"epsilon": 3.0, "delta": 0.1}}, "train.privacy.delta: 0.1 is no protection of 500 train rows"),
    ],
)
def test_train_refuses_what_cannot_be_private(normalized, changes, told):
    with pytest.raises(ConfigError) as caught:
        run(Config(**{**QUICK, "privacy": {"epsilon": 3.0}, **changes}), normalized)
    assert str(caught.value).startswith(f"params.yaml: {told}")
    assert "\n" not in str(caught.value)
    assert not (normalized.root / "mlflow.db").exists()


def test_tune_refuses_trials_that_would_each_spend_the_budget(normalized):
    normalized.params_path.write_text(json.dumps({"train": {**QUICK, "privacy": {"epsilon": 3.0}}}))
    with pytest.raises(ConfigError, match=r"^params\.yaml: tune\.num_trials: every trial would spend"):
        tune.run(tune.Config(num_trials=2), normalized)
