"""The learning-rate range test (Smith 2017, "Cyclical Learning Rates", arXiv:1506.01186, section 3.3)."""

from __future__ import annotations

from math import isfinite, sqrt
from typing import Any, NamedTuple

import pytorch_lightning as pl

from headrace.errors import ConfigError
from headrace.training.autotune.timing import train_steps
from headrace.training.fit import FitJob
from headrace.training.settings import ResolvedTrainSettings

LOWEST, HIGHEST, NUM_STEPS = 1e-6, 10.0, 140
"""The rate rises by the same factor each step: 20 steps a decade."""
SMOOTHING = 0.9
"""Weight of the past in the running mean of the loss."""
DIVERGED = 3.0
"""Times the least smoothed loss from which on the test ends."""
WINDOW = 10
"""Steps over which a fall is measured: half a decade."""
LEAST_FALL = 0.98
"""The least smoothed loss must be below so much of the first."""


class SweepPoint(NamedTuple):
    """One step of the test."""

    rate: float
    loss: float
    """The running mean."""


class LearningRateSweep(pl.Callback):
    """Raises the learning rate by a factor each step and notes the smoothed loss, until it diverges."""

    def __init__(self, placeholder: float) -> None:
        """`placeholder`: the learning rate that the optimizer was made with; groups keep their ratios to it."""
        self._placeholder = placeholder
        self.tried: list[SweepPoint] = []
        self._rate = self._mean = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Sets the step's rate, whatever the schedule says."""
        self._rate = LOWEST * (HIGHEST / LOWEST) ** (len(self.tried) / (NUM_STEPS - 1))
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = self._rate * group.get("initial_lr", self._placeholder) / self._placeholder

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:  # noqa: ARG002
        """Notes the running mean of the loss (its start corrected as Adam's moments are), before this step's update."""
        if trainer.global_step <= len(self.tried):
            return  # a part of a step, of accumulated gradients
        loss = float(outputs["loss"])
        if not isfinite(loss):
            trainer.should_stop = True
            return
        self._mean = SMOOTHING * self._mean + (1 - SMOOTHING) * loss
        smoothed = self._mean / (1 - SMOOTHING ** (len(self.tried) + 1))
        self.tried.append(SweepPoint(self._rate, smoothed))
        least = min(tried.loss for tried in self.tried)
        trainer.should_stop = smoothed > DIVERGED * least and len(self.tried) > 1


def range_test(job: FitJob, settings: ResolvedTrainSettings) -> float:
    """The learning rate for these settings, two digits; raises ConfigError when the loss falls at no rate."""
    ramp = LearningRateSweep(settings.learning_rate)
    train_steps(job, settings, ramp, num_steps=NUM_STEPS)
    return choose_rate(ramp.tried)


def choose_rate(tried: list[SweepPoint]) -> float:
    """Between two customary readings, a tenth of the rate of the least loss and that of the steepest fall: their mean.

    It is the geometric one, rounded to two digits: each alone was off by up to five times on small noisy sets.
    Raises ConfigError when the loss falls at no rate.
    """
    least = min(range(len(tried)), key=lambda step: tried[step].loss) if tried else 0
    if least < WINDOW or tried[least].loss > LEAST_FALL * tried[0].loss:
        raise ConfigError("params.yaml: train.learning_rate: the loss fell at no rate of the range test; set a number")
    falls = [tried[step + WINDOW].loss - tried[step].loss for step in range(least - WINDOW + 1)]
    steepest = tried[falls.index(min(falls)) + WINDOW // 2].rate
    return float(f"{sqrt(steepest * tried[least].rate / 10):.1e}")
