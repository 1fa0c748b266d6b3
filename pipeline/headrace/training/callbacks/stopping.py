"""Stops a training early: without improvement, after a number of steps, or at a wall-clock limit."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

MAX_SECONDS_BETWEEN_CHECKS = 5.0


class ResumableEarlyStopping(EarlyStopping):
    """Stops a training that no longer improves, and stops it again if it was interrupted right after that."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Stops at once if the wait is over: the resume state has the wait, but not that it stopped the trainer."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class TrainingLimits(pl.Callback):
    """Stops after a number of steps or a wall-clock limit; the unfinished epoch is validated and reported."""

    def __init__(self, *, max_steps: int, max_seconds: float) -> None:
        """0 disables a limit."""
        self._max_steps, self._max_seconds = max_steps, max_seconds
        self._seconds_before = 0.0
        self._started, self._first_step, self._check_at_step = time.perf_counter(), 0, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Starts the clock, and stops a resumed training that had already reached a limit."""
        self._started, self._first_step = time.perf_counter(), trainer.global_step
        self._check_at_step = trainer.global_step + 1
        # within an epoch it is late after one more step, so that the epoch is validated
        is_late = 0 < self._max_seconds <= self._seconds_before and not trainer.fit_loop.restarted_mid_epoch
        trainer.should_stop = trainer.should_stop or is_late or self._has_all_steps(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:  # noqa: ARG002
        """Checks the steps every time, and the clock every few seconds."""
        if self._has_all_steps(trainer):
            trainer.should_stop = True
        if self._max_seconds and trainer.global_step >= self._check_at_step:
            self._check_clock(trainer)

    def _has_all_steps(self, trainer: pl.Trainer) -> bool:
        return 0 < self._max_steps <= trainer.global_step

    def _check_clock(self, trainer: pl.Trainer) -> None:
        """Uses the clock of rank 0, so that all workers stop, and check again, at the same step."""
        used = float(trainer.strategy.broadcast(self._seconds()))
        if used >= self._max_seconds:
            trainer.should_stop = True
        steps_per_second = (trainer.global_step - self._first_step) / max(used - self._seconds_before, 1e-9)
        seconds_to_check = min((self._max_seconds - used) / 2, MAX_SECONDS_BETWEEN_CHECKS)
        self._check_at_step = trainer.global_step + max(int(steps_per_second * seconds_to_check), 1)

    def _seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._started

    def state_dict(self) -> dict[str, Any]:
        """Returns the time used so far."""
        return {"seconds": self._seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the time used by an interrupted training."""
        self._seconds_before = state_dict["seconds"]
