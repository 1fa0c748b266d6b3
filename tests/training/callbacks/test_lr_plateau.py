from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.optim import SGD

from headrace.training.callbacks.lr_plateau import ReduceLROnPlateau
from headrace.training.optim.schedules import Plateau, make_schedule

LOSSES = [1.0, 0.9, 0.9, 0.95, 0.8, 0.8, 0.9, 0.9, 0.9, 0.7]
RATES = [0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.1]  # reduced after every second epoch without a lower loss


def make_trainer(options: Plateau) -> Any:
    optimizer = SGD([torch.zeros(1)], 0.8)
    schedule = make_schedule(optimizer, options, num_epochs=10, num_steps=20)
    return SimpleNamespace(
        optimizers=[optimizer], lr_scheduler_configs=[SimpleNamespace(scheduler=schedule)], callback_metrics={}
    )


def run_epoch(plateau: ReduceLROnPlateau, trainer: Any, loss: float) -> list[float]:
    """Runs two steps and a validation, and returns the learning rates of the steps."""
    rates = []
    for _ in range(2):
        rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        trainer.optimizers[0].step()
        trainer.lr_scheduler_configs[0].scheduler.step()
    trainer.callback_metrics["val_loss"] = torch.tensor(loss)
    plateau.on_validation_end(trainer, None)  # type: ignore[arg-type]
    return rates


def test_plateau_reduces_the_rate_after_each_patience() -> None:
    options = Plateau(patience=2)
    plateau, trainer = ReduceLROnPlateau(options), make_trainer(options)
    rates = [run_epoch(plateau, trainer, loss) for loss in LOSSES]
    assert rates == [pytest.approx([rate, rate]) for rate in RATES]


def test_plateau_scales_a_warm_up() -> None:
    options = Plateau(patience=1, factor=0.5, warmup=0.3)  # six of 20 steps
    plateau, trainer = ReduceLROnPlateau(options), make_trainer(options)
    rates = [rate for loss in (1.0, 1.0, 1.0, 0.5) for rate in run_epoch(plateau, trainer, loss)]
    sixth = 0.8 / 6
    expected = [sixth, 2 * sixth, 3 * sixth, 4 * sixth, 5 * sixth / 2, 6 * sixth / 2, 0.2, 0.2]
    assert rates == pytest.approx(expected)


def test_plateau_of_a_resumed_training_continues() -> None:
    options = Plateau(patience=2)
    plateau, trainer = ReduceLROnPlateau(options), make_trainer(options)
    for loss in LOSSES[:6]:
        run_epoch(plateau, trainer, loss)
    resumed, resumed_trainer = ReduceLROnPlateau(options), make_trainer(options)
    resumed.load_state_dict(plateau.state_dict())
    resumed_trainer.optimizers[0].load_state_dict(trainer.optimizers[0].state_dict())
    before, after = (running.lr_scheduler_configs[0].scheduler for running in (trainer, resumed_trainer))
    after.load_state_dict(before.state_dict())
    rates = [run_epoch(resumed, resumed_trainer, loss) for loss in LOSSES[6:]]
    assert rates == [pytest.approx([rate, rate]) for rate in RATES[6:]]
