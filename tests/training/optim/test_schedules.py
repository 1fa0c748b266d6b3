from itertools import pairwise
from math import cos, pi
from typing import Any

import pytest
import torch
from torch.optim import SGD

from headrace.training.optim.schedules import SCHEDULES, build_schedule_options, make_schedule

# by fraction of 1000 steps, with 100 steps per epoch
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


def rates(schedule: Any, num_epochs: int, num_steps: int, num_taken: int, max_steps: int = 0) -> list[float]:
    """Returns the learning rates of the first steps, of which the highest is 1."""
    options = build_schedule_options({"name": schedule} if isinstance(schedule, str) else schedule)
    optimizer = SGD([torch.zeros(1)], 1.0)
    scheduler = make_schedule(optimizer, options, num_epochs=num_epochs, num_steps=num_steps, max_steps=max_steps)
    learning_rates = []
    for _ in range(num_taken):
        learning_rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return learning_rates


@pytest.mark.parametrize(("schedule", "points"), POINTS)
def test_schedule_passes_through_its_points(schedule: Any, points: dict[float, float]) -> None:
    learning_rates = rates(schedule, num_epochs=10, num_steps=1000, num_taken=1001)
    assert {done: learning_rates[round(1000 * done)] for done in points} == pytest.approx(points, abs=1e-9)


@pytest.mark.parametrize("warmup", [0, 0.003, 0.25, 0.99])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_is_within_0_and_1_and_warms_up_smoothly(name: str, warmup: float) -> None:
    learning_rates = rates({"name": name, "warmup": warmup}, num_epochs=3, num_steps=300, num_taken=320)
    assert all(0.0 <= rate <= 1.0 for rate in learning_rates)
    if warmup == 0.25:
        assert max(abs(after - before) for before, after in pairwise(learning_rates[:75])) < 0.02


def test_schedule_stays_at_its_last_value() -> None:
    expected = [0.5 * (1 + cos(pi * min(step, 4) / 4)) for step in range(7)]
    assert rates("cosine", num_epochs=2, num_steps=4, num_taken=7) == pytest.approx(expected, abs=1e-9)


def test_schedule_ends_at_max_steps_and_keeps_the_length_of_epochs() -> None:
    cosine = rates("cosine", num_epochs=10, num_steps=1000, num_taken=6, max_steps=4)
    assert cosine == pytest.approx([(1 + cos(pi * min(step, 4) / 4)) / 2 for step in range(6)], abs=1e-9)
    steps = rates({"name": "step", "epochs": 1}, num_epochs=10, num_steps=20, num_taken=5, max_steps=5)
    assert steps == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01])
