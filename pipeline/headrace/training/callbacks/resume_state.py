"""Saves the state of a training: at intervals, at the end of an epoch, and when it shall stop."""

from __future__ import annotations

import random
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from headrace.training.engine.sharding import gather_by_rank
from headrace.training.resume.checkpoint_settings import Checkpoint
from headrace.training.resume.checkpoint_store import Position
from headrace.training.resume.checkpoint_writer import CheckpointWriter
from headrace.training.resume.stop_requests import StopRequest

MAX_SHARE = 0.01
"""Fraction of the time that may be spent on states that are saved by the clock."""
SECONDS_BETWEEN_CHECKS = 1.0
"""Between two looks of several workers at rank 0's clock, each of which is an exchange among them."""


class ResumeState(pl.Callback):
    """Must be the last callback, so that the state has what the others did in the same hook."""

    def __init__(self, settings: Checkpoint, writer: CheckpointWriter, stop: StopRequest) -> None:
        """`writer` is the checkpoint plugin of the trainer."""
        self._settings, self._writer, self._stop = settings, writer, stop
        self._generators: dict[str, Any] | None = None
        self._saved_at, self._saved_step, self._cost = time.perf_counter(), 0, 0.0
        self._check_at, self._checked_step, self._checked_at = 0, 0, 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Starts the clock, and takes over signals."""
        self._saved_at = self._checked_at = time.perf_counter()
        self._saved_step = self._checked_step = trainer.global_step
        self._check_at = trainer.global_step + 1
        self._stop.begin()

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:  # noqa: ARG002
        """Restores the random generators of an interrupted epoch before its next step."""
        if self._generators is not None:
            _set_generators(self._generators)
            self._generators = None

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:  # noqa: ARG002
        """Saves after a whole step, except before a validation: the end of the epoch follows."""
        loop = trainer.fit_loop.epoch_loop
        is_followed = loop.batch_progress.is_last_batch or trainer.should_stop
        if is_followed or loop._should_accumulate():  # noqa: SLF001 no public equivalent
            return
        is_due, is_stopping = self._check(trainer)
        if is_due or is_stopping or self._is_due_by_steps(trainer.global_step):
            self._save(trainer)
        if is_stopping:
            self._end()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Saves an epoch with its validation, unless that would cost too much."""
        is_due, is_stopping = trainer.strategy.broadcast((self._has_budget(), self._stop.is_set()))
        if is_due or is_stopping or self._is_due_by_steps(trainer.global_step):
            self._save(trainer)
        if is_stopping:
            self._end()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Raises what went wrong with the last state."""
        self._writer.wait()

    def on_save_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Adds the position and the random generators of each rank."""
        loop: Any = trainer.fit_loop
        is_epoch_over = loop.epoch_progress.current.processed > loop.epoch_progress.current.completed
        num_batches = 0 if is_epoch_over else loop.epoch_loop.batch_progress.current.ready
        position = Position(trainer.current_epoch + int(is_epoch_over), num_batches, trainer.global_step)
        checkpoint[CheckpointWriter.POSITION] = asdict(position)
        checkpoint["generators"] = gather_by_rank(_get_generators())

    def on_load_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Takes this rank's random generators."""
        if checkpoint[CheckpointWriter.POSITION]["batch"]:  # an epoch seeds its own
            self._generators = checkpoint["generators"][trainer.global_rank]

    def _check(self, trainer: pl.Trainer) -> tuple[bool, bool]:
        """Returns whether a state is due by the clock, and whether to stop: what rank 0 finds, at the same step."""
        step = trainer.global_step
        if trainer.world_size > 1 and step < self._check_at:
            return False, False
        now = time.perf_counter()
        seconds = 60 * self._settings.every_minutes
        is_due = bool(seconds) and now - self._saved_at >= seconds and self._has_budget()
        if trainer.world_size == 1:
            return is_due, self._stop.is_set()
        rate = (step - self._checked_step) / max(now - self._checked_at, 1e-9)
        answer = is_due, self._stop.is_set(), max(int(rate * SECONDS_BETWEEN_CHECKS), 1)
        is_due, is_stopping, num_steps = trainer.strategy.broadcast(answer)
        self._checked_step, self._checked_at, self._check_at = step, now, step + num_steps
        return is_due, is_stopping

    def _is_due_by_steps(self, step: int) -> bool:
        """Whether a multiple of `every_steps` has been passed; the same on all ranks."""
        interval = self._settings.every_steps
        return bool(interval) and step // interval > self._saved_step // interval

    def _has_budget(self) -> bool:
        """Whether states are saved by the clock, and another one would not take too much of the time."""
        is_free = not self._writer.is_busy and bool(self._settings.every_minutes)
        return is_free and self._cost <= MAX_SHARE * (time.perf_counter() - self._saved_at)

    def _save(self, trainer: pl.Trainer) -> None:
        """Runs on every rank, since Lightning gathers state there."""
        started = time.perf_counter()
        trainer.save_checkpoint(self._writer.nowhere)
        self._saved_at, self._saved_step = time.perf_counter(), trainer.global_step
        self._cost = self._saved_at - started + self._writer.cpu_seconds

    def _end(self) -> None:
        self._writer.wait()
        self._stop.act()


def _get_generators() -> dict[str, Any]:
    """Returns the states of all global generators of this process, as plain values and tensors."""
    state: Any = np.random.get_state(legacy=True)  # noqa: NPY002 that of models of the user
    kind, keys, *rest = state
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": [kind, keys.tolist(), *rest],
        "python": random.getstate(),
    }


def _set_generators(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"])
    np.random.set_state(tuple(states["numpy"]))  # noqa: NPY002
    random.setstate(states["python"])
