"""The weights to export, which a training writes after an epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from torch import nn

from headrace.storage.bundle import write_weights
from headrace.training.engine.sharding import gather_full_state_dict


class BestWeights(pl.Callback):
    """Saves the weights of the epoch with the lowest validation loss (rank 0 writes)."""

    def __init__(self, folder: Path) -> None:
        """`folder` is on storage that the calling process sees."""
        self._folder = folder
        self.best_loss = float("inf")
        self.best_epoch = -1

    @property
    def saved_epoch(self) -> int:
        """The epoch whose weights are in the file; -1 if there is none."""
        return self.best_epoch

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves the weights if the validation loss is a new minimum."""
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
        """Returns the best loss and epoch so far."""
        return {"best_loss": self.best_loss, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the best loss and epoch of an interrupted training."""
        self.best_loss, self.best_epoch = state_dict["best_loss"], state_dict["best_epoch"]


class LastWeights(BestWeights):
    """Saves the weights of the last epoch, and records which epoch was the best."""

    _last_epoch = -1

    @property
    def saved_epoch(self) -> int:
        """See BestWeights."""
        return self._last_epoch

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves the weights."""
        loss = float(trainer.callback_metrics["val_loss"])
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, trainer.current_epoch
        self._last_epoch = trainer.current_epoch
        self._write(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """See BestWeights."""
        return {**super().state_dict(), "last_epoch": self._last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See BestWeights."""
        super().load_state_dict(state_dict)
        self._last_epoch = state_dict["last_epoch"]


WEIGHT_KEEPERS: dict[str, type[BestWeights]] = {"best": BestWeights, "last": LastWeights}
"""Value of `train.keep` -> the callback that saves those weights."""
