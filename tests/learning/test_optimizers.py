from itertools import pairwise
from typing import get_args

import pytest
import torch
from torch import nn

from pipeline.learning.optimizers import MOMENTUM, OPTIMIZERS, SCHEDULES, make_optimizer, make_schedule
from pipeline.learning.settings import TrainSettings

FIRST, GRADIENT = [1.0, -2.0, 0.5], [0.3, -0.1, 2.0]


def stepped(settings: TrainSettings, num_steps: int = 1) -> list[float]:
    """A parameter after some steps along one constant gradient."""
    network = nn.ParameterList([torch.tensor(FIRST)])
    optimizer = make_optimizer(network, settings)
    for _ in range(num_steps):
        network[0].grad = torch.tensor(GRADIENT)
        optimizer.step()
    return network[0].tolist()


def test_tables_hold_what_the_settings_allow() -> None:
    fields = TrainSettings.model_fields
    assert set(OPTIMIZERS) == set(get_args(fields["optimizer"].annotation))
    assert set(SCHEDULES) == set(get_args(fields["schedule"].annotation))


def test_adam_takes_the_first_step_of_the_paper() -> None:
    # Kingma and Ba 2015, algorithm 1: with bias correction the first step is lr * g / (|g| + eps)
    expected = [value - 0.01 * g / (abs(g) + 1e-8) for value, g in zip(FIRST, GRADIENT, strict=True)]
    assert stepped(TrainSettings(optimizer="adam", learning_rate=0.01)) == pytest.approx(expected, rel=1e-6)


def test_adam_takes_weight_decay_as_an_l2_penalty() -> None:
    gradients = [g + 0.1 * value for value, g in zip(FIRST, GRADIENT, strict=True)]
    expected = [value - 0.01 * g / (abs(g) + 1e-8) for value, g in zip(FIRST, gradients, strict=True)]
    settings = TrainSettings(optimizer="adam", learning_rate=0.01, weight_decay=0.1)
    assert stepped(settings) == pytest.approx(expected, rel=1e-5)


def test_adamw_decays_the_weights_by_themselves() -> None:
    # Loshchilov and Hutter 2019, algorithm 2
    expected = [value * (1 - 0.01 * 0.1) - 0.01 * g / (abs(g) + 1e-8) for value, g in zip(FIRST, GRADIENT, strict=True)]
    settings = TrainSettings(optimizer="adamw", learning_rate=0.01, weight_decay=0.1)
    assert stepped(settings) == pytest.approx(expected, rel=1e-6)


def test_sgd_takes_nesterovs_steps() -> None:
    # v <- 0.9 v + g; w <- w - lr (g + 0.9 v): with one g throughout 1.9 g, then 0.9 * 1.9 g + g
    expected = [value - 0.01 * (1.9 + 2.71) * g for value, g in zip(FIRST, GRADIENT, strict=True)]
    assert MOMENTUM == 0.9
    assert stepped(TrainSettings(optimizer="sgd", learning_rate=0.01), 2) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("constant", {0.0: 1.0, 0.5: 1.0, 1.0: 1.0}),
        ("cosine", {0.0: 1.0, 0.5: 0.5, 1.0: 0.0}),
        ("one_cycle", {0.0: 0.04, 0.125: 0.52, 0.25: 1.0, 0.625: 0.5, 1.0: 0.0}),
    ],
)
def test_schedule_goes_through_its_points(name: str, points: dict[float, float]) -> None:
    assert {done: pytest.approx(SCHEDULES[name](done), abs=1e-12) for done in points} == points


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_never_leaves_0_to_1(name: str) -> None:
    assert all(0.0 <= SCHEDULES[name](step / 1000) <= 1.0 for step in range(1001))


def test_one_cycle_is_continuous() -> None:
    factors = [SCHEDULES["one_cycle"](step / 1000) for step in range(1001)]
    assert max(abs(after - before) for before, after in pairwise(factors)) < 0.005


def test_make_schedule_is_by_step_and_stays_at_its_end() -> None:
    settings = TrainSettings(optimizer="sgd", schedule="cosine", learning_rate=0.2)
    optimizer = make_optimizer(nn.ParameterList([torch.zeros(1)]), settings)
    schedule = make_schedule(optimizer, settings, num_steps=4)
    rates = []
    for _ in range(7):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.2, 0.2 * 0.853553, 0.1, 0.2 * 0.146447, 0.0, 0.0, 0.0], abs=1e-6)
