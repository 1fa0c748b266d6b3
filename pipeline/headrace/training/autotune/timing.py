"""Times short trainings: the same steps as the real one, on the same rows, whose results are discarded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch

from headrace.training.fit import FitJob, WorkerContext, make_data_module, make_trainer, make_training_module
from headrace.training.settings import ResolvedTrainSettings

NUM_ROUNDS = 3
NUM_WARM_UP_STEPS, MAX_STEPS, SECONDS_PER_ROUND = 3, 40, 0.5


class Variant(NamedTuple):
    """One way to train."""

    settings: ResolvedTrainSettings
    num_threads: int


def train_steps(job: FitJob, callback: pl.Callback, *, num_steps: int) -> None:
    """Trains `num_steps` steps in this process, or until `callback` stops it; neither validates nor writes."""
    context = WorkerContext()
    trainer = make_trainer(job.settings, context, [callback], max_epochs=-1, max_steps=num_steps, limit_val_batches=0)
    trainer.fit(make_training_module(job), datamodule=make_data_module(job, context))


class StepTimer(pl.Callback):
    """Records the duration of every step, including reading its rows, until the round is over."""

    def __init__(self) -> None:
        """Starts without steps."""
        self.seconds: list[float] = []
        self._started = self._last = time.perf_counter()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Excludes everything before the first step."""
        self._started = self._last = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:  # noqa: ARG002
        """Ends a step."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now
        is_enough = len(self.seconds) >= NUM_WARM_UP_STEPS + 2
        trainer.should_stop = is_enough and now - self._started > SECONDS_PER_ROUND

    def seconds_per_step(self) -> float:
        """Returns the median without the first steps, which allocate buffers and choose kernels."""
        return median(self.seconds[NUM_WARM_UP_STEPS:] or self.seconds)


def time_steps(normalized_dir: Path, variants: Mapping[str, Variant], num_rounds: int = NUM_ROUNDS) -> dict[str, float]:
    """Returns the seconds per step of each variant: the best of interleaved rounds, so that other load affects all."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    threads_before = torch.get_num_threads()
    try:
        for _ in range(num_rounds):
            for name, variant in variants.items():
                torch.set_num_threads(variant.num_threads)
                timer = StepTimer()
                train_steps(FitJob(normalized_dir, Path(), variant.settings), timer, num_steps=MAX_STEPS)
                seconds[name].append(timer.seconds_per_step())
    finally:
        torch.set_num_threads(threads_before)
    return {name: min(times) for name, times in seconds.items()}
