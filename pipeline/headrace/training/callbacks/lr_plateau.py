"""The schedule `plateau`: the learning rate falls when the validation loss does not."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from headrace.training.optim.schedules import Plateau


class ReduceLROnPlateau(pl.Callback):
    """Lets the learning rate fall between two epochs.

    Lightning would let torch's ReduceLROnPlateau step after the resume state has been kept, which a killed training
    would then go on without; and its rate would be set anew by the warm-up's schedule.
    """

    def __init__(self, options: Plateau) -> None:
        """Begins without a lowest loss."""
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
            self._fall(trainer)

    def _fall(self, trainer: pl.Trainer) -> None:
        """Scales what the schedule multiplies, and what the next step takes; the resume state holds both."""
        schedule: Any = trainer.lr_scheduler_configs[0].scheduler
        schedule.base_lrs = [rate * self._options.factor for rate in schedule.base_lrs]
        for group in trainer.optimizers[0].param_groups:
            group["lr"] *= self._options.factor

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training must know."""
        return {"lowest_loss": self.lowest_loss, "wait_count": self.wait_count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where a killed training stood."""
        self.lowest_loss, self.wait_count = state_dict["lowest_loss"], state_dict["wait_count"]
