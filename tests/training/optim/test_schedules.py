from itertools import pairwise
from math import cos, pi
from typing import Any

import pytest
import torch
from torch.optim import SGD

from headrace.training.optim.schedules import SCHEDULES, make_schedule
from headrace.training.settings import ResolvedTrainSettings

# by share of 1000 steps, at 100 steps an epoch
POINTS: list[tuple[Any, dict[float, float]]] = [
    ("constant", {0.0: 1.0, 0.5: 1.0, 1.0: 1.0}),
    ("plateau", {0.0: 1.0, 0.5: 1.0, 1.0: 1.0}),
    ("cosine", {0.0: 1.0, 0.5: 0.5, 1.0: 0.0}),
    ("one_cycle", {0.0: 0.04, 0.125: 0.52, 0.25: 1.0, 0.625: 0.5, 1.0: 0.0}),
    ({"name": "one_cycle", "warmup": 0.5}, {0.0: 0.04, 0.25: 0.52, 0.5: 1.0, 0.75: 0.5, 1.0: 0.0}),
    ({"name": "one_cycle", "warmup": 0}, {0.0: 1.0, 0.5: 0.5, 1.0: 0.0}),
    ("step", {0.0: 1.0, 0.499: 1.0, 0.5: 0.1, 0.999: 0.1, 1.0: 0.01}),
    ({"name": "step", "epochs": 2, "factor": 0.5}, {0.199: 1.0, 0.2: 0.5, 0.4: 0.25, 0.9: 0.0625}),
    ({"name": "step", "epochs": 2, "warmup": 0.25}, {0.0: 1 / 250, 0.1: 101 / 250, 0.249: 1.0, 0.25: 0.1, 0.4: 0.01}),
    ({"name": "cosine", "warmup": 0.2}, {0.0: 1 / 200, 0.199: 1.0, 0.2: 1.0, 0.6: 0.5, 1.0: 0.0}),
    ({"name": "constant", "warmup": 0.1}, {0.0: 0.01, 0.049: 0.5, 0.1: 1.0}),
]


def rates(num_steps: int, taken: int, **settings: Any) -> list[float]:
    """The learning rates of the first steps."""
    optimizer = SGD([torch.zeros(1)], settings.get("learning_rate", 1.0))
    schedule = make_schedule(optimizer, ResolvedTrainSettings(**{"learning_rate": 1.0} | settings), num_steps)
    found = []
    for _ in range(taken):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize(("schedule", "points"), POINTS)
def test_schedule_goes_through_its_points(schedule: Any, points: dict[float, float]) -> None:
    found = rates(1000, 1001, schedule=schedule, max_epochs=10)
    assert {done: found[round(1000 * done)] for done in points} == pytest.approx(points, abs=1e-9)


@pytest.mark.parametrize("warmup", [0, 0.003, 0.25, 0.99])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_never_leaves_0_to_1_and_warms_up_without_a_leap(name: str, warmup: float) -> None:
    found = rates(300, 320, schedule={"name": name, "warmup": warmup}, max_epochs=3)
    assert all(0.0 <= rate <= 1.0 for rate in found)
    if warmup == 0.25:
        assert max(abs(after - before) for before, after in pairwise(found[:75])) < 0.02


def test_schedule_is_by_step_and_stays_at_its_end() -> None:
    found = rates(4, 7, schedule="cosine", learning_rate=0.2, max_epochs=2)
    expected = [0.1 * (1 + cos(pi * min(step, 4) / 4)) for step in range(7)]
    assert found == pytest.approx(expected, abs=1e-9)


def test_schedule_ends_with_the_most_steps() -> None:
    found = rates(1000, 6, schedule="cosine", max_epochs=10, early_stopping={"max_steps": 4})
    assert found == pytest.approx([(1 + cos(pi * min(step, 4) / 4)) / 2 for step in range(6)], abs=1e-9)
    falling = rates(20, 5, schedule={"name": "step", "epochs": 1}, max_epochs=10, early_stopping={"max_steps": 5})
    assert falling == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01]), "epochs are as long as they were"
