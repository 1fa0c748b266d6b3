"""An end by the number of steps, or by the clock."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl

LONGEST_BETWEEN_LOOKS_S = 5.0


class TrainingLimits(pl.Callback):
    """Ends a training after so many optimizer steps or seconds; the epoch that it ends in is validated and told."""

    def __init__(self, *, max_steps: int, max_seconds: float) -> None:
        """0: no such limit."""
        self._max_steps, self._max_seconds = max_steps, max_seconds
        self._seconds_before = 0.0
        self._started, self._first_step, self._look_at_step = time.perf_counter(), 0, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Starts the clock; a training that had ended when it was killed stays so."""
        self._started, self._first_step = time.perf_counter(), trainer.global_step
        self._look_at_step = trainer.global_step + 1
        is_late = 0 < self._max_seconds <= self._seconds_before
        trainer.should_stop = trainer.should_stop or is_late or self._has_all_steps(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:  # noqa: ARG002
        """Looks at the steps each time, and at the clock every few seconds."""
        if self._has_all_steps(trainer):
            trainer.should_stop = True
        if self._max_seconds and trainer.global_step >= self._look_at_step:
            self._look_at_clock(trainer)

    def _has_all_steps(self, trainer: pl.Trainer) -> bool:
        return 0 < self._max_steps <= trainer.global_step

    def _look_at_clock(self, trainer: pl.Trainer) -> None:
        """By rank 0's clock, so that all workers end with, and look next at, the same step."""
        used = float(trainer.strategy.broadcast(self._seconds()))
        if used >= self._max_seconds:
            trainer.should_stop = True
        steps_per_second = (trainer.global_step - self._first_step) / max(used - self._seconds_before, 1e-9)
        until_look = min((self._max_seconds - used) / 2, LONGEST_BETWEEN_LOOKS_S)
        self._look_at_step = trainer.global_step + max(int(steps_per_second * until_look), 1)

    def _seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._started

    def state_dict(self) -> dict[str, Any]:
        """The time used so far, for a resumed training."""
        return {"seconds": self._seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with the time that is left."""
        self._seconds_before = state_dict["seconds"]
