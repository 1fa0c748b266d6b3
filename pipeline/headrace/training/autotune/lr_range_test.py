"""The learning-rate range test (Smith 2017, "Cyclical Learning Rates", arXiv:1506.01186, section 3.3)."""

from __future__ import annotations

from math import isfinite, sqrt
from typing import Any, NamedTuple

import pytorch_lightning as pl

from headrace.errors import ConfigError
from headrace.training.autotune.timing import train_steps
from headrace.training.fit import FitJob

MIN_RATE, MAX_RATE, NUM_STEPS = 1e-6, 10.0, 140
"""The rate rises by the same factor at each step: 20 steps per decade."""
SMOOTHING = 0.9
"""Weight of the past in the moving average of the loss."""
DIVERGENCE_FACTOR = 3.0
"""The test ends when the smoothed loss exceeds its minimum by this factor."""
SLOPE_STEPS = 10
"""Steps over which the slope of the loss is measured: half a decade."""
MAX_LOSS_RATIO = 0.98
"""The minimum of the smoothed loss must be below this fraction of its first value."""


class SweepPoint(NamedTuple):
    """One step of the test."""

    rate: float
    loss: float
    """The smoothed loss."""


class LearningRateSweep(pl.Callback):
    """Multiplies the learning rate by a factor at each step and records the smoothed loss, until it diverges."""

    def __init__(self, placeholder: float) -> None:
        """`placeholder`: the learning rate the optimizer was built with; parameter groups keep their ratios to it."""
        self._placeholder = placeholder
        self.points: list[SweepPoint] = []
        self._rate = self._mean = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Sets the rate of the step, overriding the schedule."""
        self._rate = MIN_RATE * (MAX_RATE / MIN_RATE) ** (len(self.points) / (NUM_STEPS - 1))
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = self._rate * group.get("initial_lr", self._placeholder) / self._placeholder

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:  # noqa: ARG002
        """Records the bias-corrected moving average of the loss (as Adam corrects its moments) before the update."""
        if trainer.global_step <= len(self.points):
            return  # part of a step with accumulated gradients
        loss = float(outputs["loss"])
        if not isfinite(loss):
            trainer.should_stop = True
            return
        self._mean = SMOOTHING * self._mean + (1 - SMOOTHING) * loss
        smoothed = self._mean / (1 - SMOOTHING ** (len(self.points) + 1))
        self.points.append(SweepPoint(self._rate, smoothed))
        minimum = min(point.loss for point in self.points)
        trainer.should_stop = smoothed > DIVERGENCE_FACTOR * minimum and len(self.points) > 1


def run_range_test(job: FitJob) -> float:
    """Returns a learning rate for the settings of the job; raises ConfigError if no rate lowers the loss."""
    sweep = LearningRateSweep(job.settings.learning_rate)
    train_steps(job, sweep, num_steps=NUM_STEPS)
    return choose_rate(sweep.points)


def choose_rate(points: list[SweepPoint]) -> float:
    """Returns the geometric mean of two common rules: a tenth of the rate of the minimum, and the steepest slope.

    It is rounded to two digits. Each rule alone was wrong by a factor of up to five on small noisy datasets. Raises
    ConfigError if no rate lowers the loss.
    """
    minimum = min(range(len(points)), key=lambda step: points[step].loss) if points else 0
    if minimum < SLOPE_STEPS or points[minimum].loss > MAX_LOSS_RATIO * points[0].loss:
        raise ConfigError(
            "params.yaml: train.learning_rate: the loss decreased at no rate of the range test; set a number"
        )
    slopes = [points[step + SLOPE_STEPS].loss - points[step].loss for step in range(minimum - SLOPE_STEPS + 1)]
    steepest = points[slopes.index(min(slopes)) + SLOPE_STEPS // 2].rate
    return float(f"{sqrt(steepest * points[minimum].rate / 10):.1e}")
