"""Stops a training whose loss is no number any more, or has exploded, at that step."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from torch import nn
from torch.distributed.tensor import DTensor

from headrace.errors import ConfigError
from headrace.training.resume.checkpoint_store import list_checkpoints, read_position

EXPLODED = 1e6
"""Times the loss of the first step, or 1 if that is larger: no training that goes on to learn passes it."""
STEPS_BETWEEN_CHECKS = 50
"""On a GPU, where reading the loss waits for the step."""


class DivergenceGuard(pl.Callback):
    """Must come before the callback that saves the state, so that no state has weights that are no numbers."""

    def __init__(self, work_dir: Path, finish_writing: Callable[[], None]) -> None:
        """`work_dir` has the checkpoints; `finish_writing` waits for the one that is being written."""
        self._work_dir, self._finish_writing = work_dir, finish_writing
        self._first_loss: float | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Reads each loss where that does not wait for a GPU."""
        self._interval = 1 if trainer.strategy.root_device.type == "cpu" else STEPS_BETWEEN_CHECKS

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        """Checks the loss of this worker's rows."""
        if trainer.global_step % self._interval:
            return
        loss = float(outputs["loss"])
        if self._first_loss is None:
            self._first_loss = loss
        if not isfinite(loss) or loss > EXPLODED * max(self._first_loss, 1.0):
            raise self._make_error(trainer, pl_module, f"the loss to {loss:g}")

    def on_save_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        checkpoint: dict[str, Any],  # noqa: ARG002
    ) -> None:
        """Refuses to save weights that are no numbers, which the last step may have made under a finite loss."""
        for name, weight in cast("nn.Module", pl_module.network).named_parameters():
            own = weight.to_local() if isinstance(weight, DTensor) else weight
            if not bool(own.isfinite().all()):
                raise self._make_error(trainer, pl_module, f"the weights {name} to NaN or infinity")

    def _make_error(self, trainer: pl.Trainer, pl_module: pl.LightningModule, what: str) -> ConfigError:
        self._finish_writing()
        checkpoints = list_checkpoints(self._work_dir)
        good = "no state was saved before"
        if checkpoints:
            good = f"the last good state, of step {read_position(checkpoints[0]).step}, is {checkpoints[0]}"
        where = f"at step {trainer.global_step}, in epoch {trainer.current_epoch + 1}"
        return ConfigError(
            f"params.yaml: train.learning_rate: {cast('Any', pl_module.settings).learning_rate:g} drove {what} {where};"
            f" lower it, or set train.gradient_clip; {good}"
        )

    def state_dict(self) -> dict[str, Any]:
        """Returns the loss of the first step."""
        return {"first_loss": self._first_loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the loss of the first step."""
        self._first_loss = state_dict["first_loss"]
