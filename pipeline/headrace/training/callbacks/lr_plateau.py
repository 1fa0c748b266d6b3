"""The schedule `plateau`: reduces the learning rate when the validation loss stops improving."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from headrace.training.optim.schedules import Plateau


class ReduceLROnPlateau(pl.Callback):
    """Reduces the learning rate between two epochs.

    Lightning would call torch's ReduceLROnPlateau only after the resume state has been saved, so a resumed training
    would miss the reduction; and the warm-up's schedule would override its rate.
    """

    def __init__(self, options: Plateau) -> None:
        """Starts without a lowest loss."""
        self._options = options
        self.lowest_loss, self.wait_count = float("inf"), 0

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Counts the epochs without a lower loss."""
        loss = float(trainer.callback_metrics["val_loss"])
        if loss < self.lowest_loss:
            self.lowest_loss, self.wait_count = loss, 0
            return
        self.wait_count += 1
        if self.wait_count >= self._options.patience:
            self.wait_count = 0
            self._reduce(trainer)

    def _reduce(self, trainer: pl.Trainer) -> None:
        """Scales the base of the schedule and the rate of the next step, which are both in the resume state."""
        schedule: Any = trainer.lr_scheduler_configs[0].scheduler
        schedule.base_lrs = [rate * self._options.factor for rate in schedule.base_lrs]
        for group in trainer.optimizers[0].param_groups:
            group["lr"] *= self._options.factor

    def state_dict(self) -> dict[str, Any]:
        """Returns the lowest loss, and the epochs since then."""
        return {"lowest_loss": self.lowest_loss, "wait_count": self.wait_count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the counts of an interrupted training."""
        self.lowest_loss, self.wait_count = state_dict["lowest_loss"], state_dict["wait_count"]
