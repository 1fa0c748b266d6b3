from typing import Any

import pytest

from headrace.training.callbacks import make_callbacks
from headrace.training.settings import ResolvedTrainSettings


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["ResumableEarlyStopping"]),
        ({"early_stopping": {"patience": 0}}, []),
        ({"early_stopping": {"patience": 0, "max_steps": 9}}, ["TrainingLimits"]),
        ({"early_stopping": {"max_minutes": 0.5}}, ["ResumableEarlyStopping", "TrainingLimits"]),
        ({"early_stopping": {"patience": 0}, "schedule": "plateau"}, ["ReduceLROnPlateau"]),
        ({"early_stopping": {"patience": 0}, "l1": 0.1, "ema": 0.9}, ["L1Penalty", "WeightEMA"]),
    ],
)
def test_make_callbacks_builds_those_that_the_settings_enable(settings: dict[str, Any], names: list[str]) -> None:
    assert [type(callback).__name__ for callback in make_callbacks(ResolvedTrainSettings(**settings))] == names
