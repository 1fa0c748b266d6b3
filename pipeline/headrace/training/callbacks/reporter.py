"""What happens beside the steps: telling how it goes, keeping the best weights, and the state to resume from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping
from torch import nn

from headrace.storage.bundle import write_weights
from headrace.training.engine.sharding import gather_full_state_dict
from headrace.training.reporting.events import Event, Observer

SECONDS_BETWEEN_EVENTS = 0.5


class Reporter(pl.Callback):
    """Keeps the figures by epoch, and tells an observer of steps (a few times a second) and epochs."""

    def __init__(self, observer: Observer, batch_size: int) -> None:
        """`batch_size` is global: throughput counts the rows of all workers."""
        self._observer, self._batch_size = observer, batch_size
        self.history: list[Event] = []
        self._told_at = self._told_step = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Begins to count the epoch's throughput."""
        self._told_at, self._told_step = time.perf_counter(), trainer.global_step
        self._epoch_at, self._epoch_step = self._told_at, self._told_step
        self._validated_at: float | None = None

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:  # noqa: ARG002
        """Tells of a step, seldom enough to cost nothing."""
        now = time.perf_counter()
        if now - self._told_at < SECONDS_BETWEEN_EVENTS:
            return
        rate = (trainer.global_step - self._told_step) * self._batch_size / (now - self._told_at)
        self._told_at, self._told_step = now, trainer.global_step
        loss = float(outputs["loss"])
        self._observer({"kind": "step", **_position(trainer), "loss": loss, **_speed(trainer, rate)})

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Ends the time of the epoch's steps."""
        self._validated_at = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tells of an epoch: the figures over all rows of all workers, and the train rows a second of its steps."""
        steps = trainer.global_step - self._epoch_step
        ended_at = self._validated_at or time.perf_counter()
        rate = steps * self._batch_size / max(ended_at - self._epoch_at, 1e-9)
        metrics = getattr(pl_module, "epoch_metrics", {})
        self.history.append({**_position(trainer), **metrics, **_speed(trainer, rate)})
        self._observer({"kind": "epoch", **self.history[-1]})

    def state_dict(self) -> dict[str, Any]:
        """The epochs so far, for a resumed training."""
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on after the epochs that a killed training told of."""
        self.history = state_dict["history"]


def _position(trainer: pl.Trainer) -> Event:
    return {"epoch": trainer.current_epoch, "step": trainer.global_step}


def _speed(trainer: pl.Trainer, samples_per_second: float) -> Event:
    learning_rate = trainer.optimizers[0].param_groups[0]["lr"]
    return {"learning_rate": learning_rate, "samples_per_second": samples_per_second}


class BestWeights(pl.Callback):
    """Keeps the weights of the epoch with the lowest validation loss in a file (rank 0 writes)."""

    def __init__(self, folder: Path) -> None:
        """`folder` is on storage that the calling process sees."""
        self._folder = folder
        self.best_loss = float("inf")
        self.best_epoch = -1

    @property
    def kept_epoch(self) -> int:
        """Whose weights are in the file; -1 before there are any."""
        return self.best_epoch

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the weights when they are better than before."""
        loss = float(trainer.callback_metrics.get("val_loss", float("inf")))
        if trainer.sanity_checking or not loss < self.best_loss:
            return
        self.best_loss, self.best_epoch = loss, trainer.current_epoch
        self._write(trainer, pl_module)

    def _write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        weights = gather_full_state_dict(cast("nn.Module", pl_module.network).state_dict())
        if trainer.is_global_zero:
            write_weights(self._folder, weights)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training must know."""
        return {"best_loss": self.best_loss, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where a killed training stood."""
        self.best_loss, self.best_epoch = state_dict["best_loss"], state_dict["best_epoch"]


class LastWeights(BestWeights):
    """Keeps the weights of the last epoch, and knows which one was the best."""

    _last_epoch = -1

    @property
    def kept_epoch(self) -> int:
        """See BestWeights."""
        return self._last_epoch

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the weights."""
        loss = float(trainer.callback_metrics["val_loss"])
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, trainer.current_epoch
        self._last_epoch = trainer.current_epoch
        self._write(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training must know."""
        return {**super().state_dict(), "last_epoch": self._last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where a killed training stood."""
        super().load_state_dict(state_dict)
        self._last_epoch = state_dict["last_epoch"]


WEIGHT_KEEPERS: dict[str, type[BestWeights]] = {"best": BestWeights, "last": LastWeights}


class ResumableEarlyStopping(EarlyStopping):
    """Ends a training that no longer improves; one that had been ended when it was killed stays so."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """The resume state holds how long it waited, but not that it stopped the trainer."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class ResumeState(pl.Callback):
    """Keeps what a killed training goes on from, after each epoch: whole or not at all."""

    NAME = "resume.ckpt"

    def __init__(self, folder: Path) -> None:
        """`folder` outlives the stage that DVC restarts."""
        self._path = folder / self.NAME

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Called on every rank, since Lightning gathers there; rank 0 writes."""
        aside = self._path.with_suffix(".tmp")
        trainer.save_checkpoint(aside)
        if trainer.is_global_zero:
            aside.replace(self._path)
