"""Learning-rate schedules by name. SCHEDULES: name -> the class that holds its options and knows its course."""

from __future__ import annotations

from math import cos, pi
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from headrace.config import Section, build_options

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR

    from headrace.training.settings import ResolvedTrainSettings

Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Fall = Annotated[float, Field(gt=0, lt=1)]


class ScheduleOptions(Section):
    """How the learning rate goes with the steps: a line up, then a course of its own."""

    warmup: Share = 0.0
    """Share of all steps over which the learning rate rises along a line to its full height; 0: none."""

    def multiplier(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Factor of the learning rate in `step` (from 0) of `num_steps`: above 0, at most 1."""
        warm = self.warmup * num_steps
        if step < warm:
            return min((step + 1) / warm, 1.0)
        return self.course(min((step - warm) / (num_steps - warm), 1.0), step // steps_per_epoch)

    def course(self, done: float, epoch: int) -> float:  # noqa: ARG002 one signature for all
        """Factor behind the warm-up: of the share of its steps that is done (0 to 1), and of the epoch (from 0)."""
        return 1.0


class Constant(ScheduleOptions):
    """The learning rate itself, throughout."""


class Cosine(ScheduleOptions):
    """From 1 to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts)."""

    def course(self, done: float, epoch: int) -> float:  # noqa: ARG002
        """See ScheduleOptions."""
        return (1 + cos(pi * done)) / 2


class Step(ScheduleOptions):
    """Falls by a factor every so many epochs."""

    epochs: Count = 5
    """Epochs between two falls, counted from the training's begin."""
    factor: Fall = 0.1
    """What the learning rate is multiplied by at each fall."""

    def course(self, done: float, epoch: int) -> float:  # noqa: ARG002
        """See ScheduleOptions."""
        return float(self.factor ** (epoch // self.epochs))


class Plateau(ScheduleOptions):
    """Falls by a factor whenever the validation loss has not fallen for some epochs; see plateau.py."""

    patience: Count = 3
    """Epochs in a row without a validation loss below the lowest so far, before the learning rate falls."""
    factor: Fall = 0.5
    """What the learning rate is multiplied by at each fall."""


class OneCycle(ScheduleOptions):
    """A line up from 0.04, half a cosine down to 0 (after Smith and Topin 2018)."""

    warmup: Share = 0.25
    """Share of all steps over which the learning rate rises."""

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


def schedule_options(settings: ResolvedTrainSettings) -> ScheduleOptions:
    """The schedule that the settings name."""
    return build_options(settings.schedule, SCHEDULES, "params.yaml: train.schedule")


def make_schedule(optimizer: Optimizer, settings: ResolvedTrainSettings, num_steps: int) -> LambdaLR:
    """The schedule by step; `num_steps`: of `max_epochs` epochs, of which `early_stopping.max_steps` may leave some."""
    from torch.optim.lr_scheduler import LambdaLR

    options = schedule_options(settings)
    steps_per_epoch = max(num_steps // settings.max_epochs, 1)
    planned = min(num_steps, settings.early_stopping.max_steps or num_steps)
    return LambdaLR(optimizer, lambda step: options.multiplier(step, planned, steps_per_epoch))
