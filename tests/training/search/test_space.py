import math

import pytest

from headrace.settings.tune import Range
from headrace.training.search.space import apply_drawn, draw_trials, find_space_mistakes
from headrace.training.settings import TrainSettings

MODEL = {"name": "mlp", "dense": [16]}


def space_of(**entries):
    return {name.replace("__", "."): Range(**entry).model_dump() for name, entry in entries.items()}


BASE = TrainSettings(model=MODEL).model_dump()


def test_draws_are_within_the_space():
    space = space_of(
        learning_rate={"low": 1e-4, "high": 1e-1, "log": True},
        batch_size={"low": 16, "high": 64, "step": 16},
        weight_decay={"low": 0.0, "high": 0.3, "step": 0.1},
        model__width={"low": 1, "high": 1000, "log": True},
        optimizer={"choices": ["adam", "sgd"]},
    )
    trials = draw_trials(space, 300, seed=0)
    assert len(trials) == 300
    assert {trial["batch_size"] for trial in trials} == {16, 32, 48, 64}
    assert {round(trial["weight_decay"], 9) for trial in trials} == {0.0, 0.1, 0.2, 0.3}
    assert {trial["optimizer"] for trial in trials} == {"adam", "sgd"}
    for key, middle in (("learning_rate", math.sqrt(1e-4 * 1e-1)), ("model.width", math.sqrt(1000))):
        below = sum(trial[key] < middle for trial in trials)
        assert 110 < below < 190, f"{key}: half of the draws lie below the middle of the logarithm"
    assert all(isinstance(trial["model.width"], int) and 1 <= trial["model.width"] <= 1000 for trial in trials)


def test_draws_are_distinct_and_start_with_those_of_a_shorter_search():
    space = space_of(learning_rate={"low": 1e-4, "high": 1e-1})
    assert draw_trials(space, 20, seed=3)[:5] == draw_trials(space, 5, seed=3)
    assert draw_trials(space, 5, seed=4) != draw_trials(space, 5, seed=3)
    few = space_of(batch_size={"choices": [8, 16]}, optimizer={"choices": ["adam", "sgd"]})
    trials = draw_trials(few, 50, seed=0)
    assert len(trials) == 4, "the size of the space"
    assert all(trials.count(trial) == 1 for trial in trials)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ({"batch_size": 8}, {"batch_size": 8}),
        ({"early_stopping.patience": 2}, {"early_stopping": {**BASE["early_stopping"], "patience": 2}}),
        ({"model.dropout": 0.1}, {"model": {**MODEL, "dropout": 0.1}}),
        ({"model.dropout": 0.1, "model": {"name": "linear"}}, {"model": {"name": "linear", "dropout": 0.1}}),
        ({"optimizer.name": "sgd"}, {"optimizer": "sgd"}),
        ({"optimizer.momentum": 0.5, "optimizer.name": "sgd"}, {"optimizer": {"name": "sgd", "momentum": 0.5}}),
        ({"optimizer.name": "sgd", "optimizer.momentum": 0.5}, {"optimizer": {"name": "sgd", "momentum": 0.5}}),
        ({"batch_size": 64}, {}),
    ],
)
def test_apply_drawn_replaces_keys_and_options(drawn, expected):
    before = {**BASE, "optimizer": "adam"}
    assert apply_drawn(before, drawn) == before | expected


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"learning_rat": {"choices": [1]}}, "tune.space.learning_rat: unknown key; choose one of ["),
        ({"learning_rate": {"low": -1.0, "high": 1.0}}, "tune.space.learning_rate: got -1.0; must be greater than 0"),
        ({"learning_rate": {"choices": [0.1, "fast"]}}, "tune.space.learning_rate: got 'fast'; must be a valid number"),
        ({"batch_size": {"low": 0.5, "high": 64.0}}, "tune.space.batch_size: got 0.5; must be a valid integer"),
        ({"seed.x": {"choices": [1]}}, "tune.space.seed: got {'x': 1}; must be a valid integer"),
        ({"early_stopping.patiance": {"choices": [1]}}, "tune.space.early_stopping.patiance: unknown key; choose"),
        ({"model.dropot": {"choices": [0.1]}}, "tune.space.model.dropot: unknown key; choose one of ["),
        ({"model.dropout": {"low": 0.0, "high": 1.5}}, "tune.space.model.dropout: got 1.5; must be less than 1"),
        ({"model": {"choices": [MODEL, {"dense": [3]}]}}, "tune.space.model.name: missing; add the name of a model"),
        (
            {"model.name": {"choices": ["mlp", "reslmp"]}},
            "tune.space.model.name: 'reslmp' is not a model; choose one of",
        ),
        (
            {"max_epochs": {"choices": [1]}},
            "tune.space.max_epochs: cannot be searched: tune.max_epochs limits the trials",
        ),
        (
            {"privacy.epsilon": {"choices": [1]}},
            "tune.space.privacy.epsilon: cannot be searched: every trial would spend",
        ),
        ({"num_workers": {"choices": [1]}}, "tune.space.num_workers: cannot be searched: a trial has one process"),
    ],
)
def test_find_space_mistakes_names_an_invalid_value_in_one_line(space, message):
    mistake, *_ = find_space_mistakes({name: Range(**entry).model_dump() for name, entry in space.items()}, BASE)
    assert mistake.startswith(message)
    assert "\n" not in mistake


def test_find_space_mistakes_lists_all():
    mistakes = find_space_mistakes(space_of(num_threads={"choices": [1]}, ema={"choices": [0.9, 1, 2]}), BASE)
    assert [mistake.partition("; ")[0] for mistake in mistakes] == [
        "tune.space.num_threads: cannot be searched: a trial has one core",
        *("tune.space.ema: got 1", "tune.space.ema: got 2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "space",
    [
        {"model": {"choices": [MODEL, {"name": "resmlp", "width": 8}]}, "model.num_blocks": {"choices": [1, 2]}},
        {"model.name": {"choices": ["mlp", "resmlp"]}, "model.num_blocks": {"low": 1, "high": 3}},
        {"early_stopping.patience": {"low": 0, "high": 9}, "precision": {"choices": ["32", "bf16"]}},
    ],
)
def test_find_space_mistakes_accepts_values_that_are_valid_in_some_trials(space):
    assert find_space_mistakes({name: Range(**entry).model_dump() for name, entry in space.items()}, BASE) == []
