"""Short trainings that are timed: the same steps as the real one, on the same rows, and nothing is kept of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch

from headrace.training.fit import FitJob, WorkerContext, make_data, make_learner, make_trainer
from headrace.training.settings import ResolvedTrainSettings

ROUNDS = 3
WARM_UP_STEPS, MOST_STEPS, SECONDS_A_ROUND = 3, 40, 0.5


class Variant(NamedTuple):
    """One way to train."""

    settings: ResolvedTrainSettings
    num_threads: int


def train_steps(job: FitJob, settings: ResolvedTrainSettings, callback: pl.Callback, *, num_steps: int) -> None:
    """Trains in this process for so many steps or until `callback` stops it; validates nothing, writes nothing."""
    place = WorkerContext()
    trainer = make_trainer(settings, place, [callback], max_epochs=-1, max_steps=num_steps, limit_val_batches=0)
    trainer.fit(make_learner(job, settings), datamodule=make_data(job, settings, place))


class StepTimer(pl.Callback):
    """Takes the time of every step, that of reading its rows included, until the round is over."""

    def __init__(self) -> None:
        """Begins with none."""
        self.seconds: list[float] = []
        self._began = self._last = time.perf_counter()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """What came before the first step is not counted."""
        self._began = self._last = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:  # noqa: ARG002
        """Ends a step."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now
        is_enough = len(self.seconds) >= WARM_UP_STEPS + 2
        trainer.should_stop = is_enough and now - self._began > SECONDS_A_ROUND

    def seconds_a_step(self) -> float:
        """The median after the first steps, which make buffers and choose kernels."""
        return median(self.seconds[WARM_UP_STEPS:] or self.seconds)


def seconds_a_step(job: FitJob, variants: Mapping[str, Variant], rounds: int = ROUNDS) -> dict[str, float]:
    """Times a step of each variant; in turns, the best round counting, so that other work disturbs all alike."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    threads_before = torch.get_num_threads()
    try:
        for _ in range(rounds):
            for name, variant in variants.items():
                torch.set_num_threads(variant.num_threads)
                timer = StepTimer()
                train_steps(job, variant.settings, timer, num_steps=MOST_STEPS)
                found[name].append(timer.seconds_a_step())
    finally:
        torch.set_num_threads(threads_before)
    return {name: min(times) for name, times in found.items()}
