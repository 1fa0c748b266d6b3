"""Learning-rate schedules by name. SCHEDULES: name -> the class with its options, which computes the rates."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from headrace.config import Section, build_options

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR

Count = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Factor = Annotated[float, Field(gt=0, lt=1)]


class ScheduleOptions(Section):
    """A linear warm-up, followed by the decay of the schedule."""

    warmup: Fraction = 0.0
    """Fraction of all steps over which the learning rate rises linearly to its maximum; 0: no warm-up."""

    def multiplier(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Returns the factor of the learning rate in `step` (from 0) of `num_steps`, in [0, 1]."""
        warm = self.warmup * num_steps
        if step < warm:
            return min((step + 1) / warm, 1.0)
        return self.decay(min((step - warm) / (num_steps - warm), 1.0), step // steps_per_epoch)

    def decay(self, done: float, epoch: int) -> float:  # noqa: ARG002 one signature for all
        """Returns the factor after the warm-up, from the fraction of its steps that is done and the epoch (from 0)."""
        return 1.0


class Constant(ScheduleOptions):
    """A constant learning rate."""


class Cosine(ScheduleOptions):
    """Cosine annealing from 1 to 0 (Loshchilov and Hutter 2017, without restarts)."""

    def decay(self, done: float, epoch: int) -> float:  # noqa: ARG002
        """See ScheduleOptions."""
        return (1 + cos(pi * done)) / 2


class Step(ScheduleOptions):
    """Multiplies the learning rate by a factor every few epochs."""

    epochs: Count = 5
    """Epochs between two reductions, counted from the start of the training."""
    factor: Factor = 0.1
    """Factor of each reduction."""

    def decay(self, done: float, epoch: int) -> float:  # noqa: ARG002
        """See ScheduleOptions."""
        return float(self.factor ** (epoch // self.epochs))


class Plateau(ScheduleOptions):
    """Reduces the learning rate when the validation loss stops improving; see callbacks/lr_plateau.py."""

    patience: Count = 3
    """Consecutive epochs without a new lowest validation loss before a reduction."""
    factor: Factor = 0.5
    """Factor of each reduction."""


class OneCycle(ScheduleOptions):
    """A linear rise from 0.04, then a cosine decay to 0 (after Smith and Topin 2018)."""

    warmup: Fraction = 0.25
    """Fraction of all steps over which the learning rate rises."""

    def multiplier(self, step: int, num_steps: int, steps_per_epoch: int) -> float:  # noqa: ARG002
        """See ScheduleOptions."""
        done = min(step / num_steps, 1.0)
        if done < self.warmup:
            return 0.04 + 0.96 * done / self.warmup
        return (1 + cos(pi * ((done - self.warmup) / (1 - self.warmup)))) / 2


SCHEDULES: dict[str, type[ScheduleOptions]] = {
    "constant": Constant,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "plateau": Plateau,
    "step": Step,
}


def build_schedule_options(named_options: Mapping[str, Any]) -> ScheduleOptions:
    """Builds the options of a schedule from its `name` in SCHEDULES and options."""
    return build_options(named_options, SCHEDULES, "params.yaml: train.schedule")


def make_schedule(
    optimizer: Optimizer, options: ScheduleOptions, *, num_epochs: int, num_steps: int, max_steps: int = 0
) -> LambdaLR:
    """Builds the schedule by step of a training of `num_epochs` and `num_steps`, which ends at `max_steps` if not 0."""
    from torch.optim.lr_scheduler import LambdaLR

    steps_per_epoch = max(num_steps // num_epochs, 1)
    num_planned = min(num_steps, max_steps or num_steps)
    return LambdaLR(optimizer, lambda step: options.multiplier(step, num_planned, steps_per_epoch))
