from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.optim import SGD

from headrace.training.callbacks.lr_plateau import ReduceLROnPlateau
from headrace.training.optim.schedules import Plateau, make_schedule
from headrace.training.settings import ResolvedTrainSettings


def training(**options: Any) -> Any:
    """What the callback sees of a training: an optimizer, and its schedule by step."""
    settings = ResolvedTrainSettings(learning_rate=0.8, schedule={"name": "plateau", **options}, max_epochs=10)
    optimizer = SGD([torch.zeros(1)], 0.8)
    schedule = make_schedule(optimizer, settings, 20)
    return SimpleNamespace(
        optimizers=[optimizer], lr_scheduler_configs=[SimpleNamespace(scheduler=schedule)], callback_metrics={}
    )


def epoch(found: ReduceLROnPlateau, running: Any, loss: float) -> list[float]:
    """The learning rates of an epoch's two steps, with its validation loss behind them."""
    rates = []
    for _ in range(2):
        rates.append(running.optimizers[0].param_groups[0]["lr"])
        running.optimizers[0].step()
        running.lr_scheduler_configs[0].scheduler.step()
    running.callback_metrics["val_loss"] = torch.tensor(loss)
    found.on_validation_end(running, None)  # type: ignore[arg-type]
    return rates


LOSSES = [1.0, 0.9, 0.9, 0.95, 0.8, 0.8, 0.9, 0.9, 0.9, 0.7]
RATES = [0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.1]  # falls behind each second epoch without a lower loss


def test_plateau_falls_after_its_patience_and_counts_anew() -> None:
    found, running = ReduceLROnPlateau(Plateau(patience=2)), training(patience=2)
    rates = [epoch(found, running, loss) for loss in LOSSES]
    assert rates == [pytest.approx([rate, rate]) for rate in RATES]


def test_plateau_behind_a_warm_up_scales_it() -> None:
    options = {"patience": 1, "factor": 0.5, "warmup": 0.3}  # of 20 steps: six
    found, running = ReduceLROnPlateau(Plateau(**options)), training(**options)
    rates = [rate for loss in (1.0, 1.0, 1.0, 0.5) for rate in epoch(found, running, loss)]
    sixth = 0.8 / 6
    expected = [sixth, 2 * sixth, 3 * sixth, 4 * sixth, 5 * sixth / 2, 6 * sixth / 2, 0.2, 0.2]
    assert rates == pytest.approx(expected)


def test_plateau_of_a_resumed_training_goes_on() -> None:
    before, running = ReduceLROnPlateau(Plateau(patience=2)), training(patience=2)
    for loss in LOSSES[:6]:
        epoch(before, running, loss)
    after, resumed = ReduceLROnPlateau(Plateau(patience=2)), training(patience=2)
    after.load_state_dict(before.state_dict())
    resumed.optimizers[0].load_state_dict(running.optimizers[0].state_dict())
    schedules = [given.lr_scheduler_configs[0].scheduler for given in (running, resumed)]
    schedules[1].load_state_dict(schedules[0].state_dict())
    rates = [epoch(after, resumed, loss) for loss in LOSSES[6:]]
    assert rates == [pytest.approx([rate, rate]) for rate in RATES[6:]]
