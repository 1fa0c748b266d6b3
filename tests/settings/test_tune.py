from typing import Any

import pytest
from pydantic import ValidationError

from headrace.config import Section
from headrace.settings.tune import Config, Range, find_search_mistakes
from headrace.training.settings import TrainSettings


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"low": 1.0},
        {"low": 2.0, "high": 1.0},
        {"low": 0.0, "high": 1.0, "log": True},
        {"low": 0.0, "high": 1.0, "choices": [1]},
        {"choices": []},
        {"choices": [1], "log": True},
        {"low": 1, "high": 9, "log": True, "step": 2},
        {"low": 1, "high": 9, "step": 0},
    ],
)
def test_range_refuses_inconsistent_options(entry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Range(**entry)


def test_config_refuses_more_grace_epochs_than_epochs() -> None:
    with pytest.raises(ValidationError, match="got 5; must be at most tune.max_epochs, 4"):
        Config(grace_epochs=5)


def test_models_of_the_space_are_listed_with_their_keys() -> None:
    space: dict[str, Any] = {
        "model": {"choices": [{"name": "cnn"}, {"blocks": [3]}]}, "model.name": {"choices": ["mlp", "my_nets:Two"]},
        "model.dropout": {"choices": [0.1]},
    }  # fmt: skip
    assert list(Config(space=space).list_model_names()) == [
        ("tune.space.model", "cnn"), ("tune.space.model", ""),
        ("tune.space.model.name", "mlp"), ("tune.space.model.name", "my_nets:Two"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "train", "keys"),
    [
        ({}, {}, []),
        ({"space": {"learning_rte": {"choices": [1]}, "ema": {"choices": [2]}}}, {},
         ["tune.space.learning_rte", "tune.space.ema"]),
        ({"space": {"model.dropot": {"choices": [0.1]}}}, {"model": {"name": "mlp"}}, ["tune.space.model.dropot"]),
        ({"num_trials": 2}, {"privacy": {"epsilon": 3.0}}, ["tune.num_trials"]),
        ({"num_trials": 0}, {"privacy": {"epsilon": 3.0}}, []),
    ],
)  # fmt: skip
def test_search_must_fit_the_training(config: dict[str, Any], train: dict[str, Any], keys: list[str]) -> None:
    if train.get("privacy"):
        config |= {"space": {"batch_size": {"choices": [32]}}}
    sections: dict[str, Section] = {"tune": Config(**config), "train": TrainSettings(**train)}
    assert [mistake.partition(": ")[0] for mistake in find_search_mistakes(sections)] == keys
