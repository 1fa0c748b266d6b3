"""Reports the progress of a training: metrics per epoch, and events for an observer."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl

from headrace.training.reporting.events import Event, Observer

SECONDS_BETWEEN_EVENTS = 0.5


class Reporter(pl.Callback):
    """Records per-epoch metrics and notifies an observer of epochs and, at most twice a second, of steps."""

    def __init__(self, observer: Observer, batch_size: int) -> None:
        """`batch_size` is global: the throughput counts the rows of all workers."""
        self._observer, self._batch_size = observer, batch_size
        self.history: list[Event] = []
        self._reported_at, self._reported_step = 0.0, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts to measure the rest of an interrupted epoch, which has no start of its own."""
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Starts to measure the throughput of the epoch."""
        self._reported_at, self._reported_step = time.perf_counter(), trainer.global_step
        self._epoch_at, self._epoch_step = self._reported_at, self._reported_step
        self._validated_at: float | None = None

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:  # noqa: ARG002
        """Reports a step, rarely enough to cost nothing."""
        now = time.perf_counter()
        if now - self._reported_at < SECONDS_BETWEEN_EVENTS:
            return
        rate = (trainer.global_step - self._reported_step) * self._batch_size / (now - self._reported_at)
        self._reported_at, self._reported_step = now, trainer.global_step
        loss = float(outputs["loss"])
        self._observer({"kind": "step", **_position(trainer), "loss": loss, **_speed(trainer, rate)})

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Excludes the validation from the throughput."""
        self._validated_at = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Reports an epoch: its metrics over all rows of all workers, and the train rows per second."""
        num_steps = trainer.global_step - self._epoch_step
        ended_at = self._validated_at or time.perf_counter()
        rate = num_steps * self._batch_size / max(ended_at - self._epoch_at, 1e-9)
        metrics = getattr(pl_module, "epoch_metrics", {})
        self.history.append({**_position(trainer), **metrics, **_speed(trainer, rate)})
        self._observer({"kind": "epoch", **self.history[-1]})

    def state_dict(self) -> dict[str, Any]:
        """Returns the epochs so far."""
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the epochs of an interrupted training."""
        self.history = state_dict["history"]


def _position(trainer: pl.Trainer) -> Event:
    return {"epoch": trainer.current_epoch, "step": trainer.global_step}


def _speed(trainer: pl.Trainer, samples_per_second: float) -> Event:
    learning_rate = trainer.optimizers[0].param_groups[0]["lr"]
    return {"learning_rate": learning_rate, "samples_per_second": samples_per_second}
