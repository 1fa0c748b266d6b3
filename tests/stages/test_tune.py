"""Tune: no trials is nothing to do; a small search is real."""

import json

import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.stages.tune import Config, Range, run


def test_tune_without_trials_does_nothing(normalized):
    assert run(Config(), normalized) == {"trials": 0}
    assert json.loads(normalized.tune_path.read_bytes()) == {"num_trials": 0, "best": {}, "trials": []}


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({"learning_rat": {"choices": [1]}}, "did you mean 'learning_rate'?"),
        ({"seed.x": {"choices": [1]}}, "only options of train.model"),
    ],
)
def test_tune_refuses_keys_that_train_has_not(normalized, space, told):
    with pytest.raises(ConfigError) as caught:
        run(Config(num_trials=1, space=space), normalized)
    assert told in str(caught.value)


def test_tune_refuses_a_figure_of_another_task(normalized):
    with pytest.raises(ConfigError) as caught:
        run(Config(num_trials=1, metric="val_mae"), normalized)
    assert str(caught.value) == (
        "params.yaml: tune.metric: 'val_mae' is no figure of classification; choose one of ['val_accuracy', 'val_loss']"
    )


@pytest.mark.parametrize("entry", [{}, {"low": 1.0}, {"low": 2.0, "high": 1.0}, {"low": 0.0, "high": 1.0, "log": True},
                                   {"low": 0.0, "high": 1.0, "choices": [1]}])  # fmt: skip
def test_range_refuses_what_is_no_range(entry):
    with pytest.raises(ValidationError):
        Range(**entry)


@pytest.mark.ray
@pytest.mark.slow
def test_tune_searches_on_validation_rows(normalized):
    normalized.params_path.write_text(
        "train: {model: {name: cnn, blocks: [8, pool], dense: [16]}, batch_size: 50, learning_rate: 0.005}\n"
    )
    space = {"learning_rate": {"low": 1e-6, "high": 2e-2, "log": True}, "model.dropout": {"choices": [0.0, 0.1]}}
    metrics = run(Config(num_trials=3, max_epochs=2, space=space), normalized)
    found = json.loads(normalized.tune_path.read_bytes())
    assert metrics["trials"] == len(found["trials"]) == 3
    losses = [trial["metrics"]["val_loss"] for trial in found["trials"]]
    assert metrics["best_val_loss"] == min(losses)
    best = found["trials"][losses.index(min(losses))]["settings"]
    assert found["best"]["learning_rate"] == best["learning_rate"]
    assert found["best"]["model"] == {
        "name": "cnn",
        "blocks": [8, "pool"],
        "dense": [16],
        "dropout": best["model.dropout"],
    }
    assert len({trial["settings"]["learning_rate"] for trial in found["trials"]}) == 3
