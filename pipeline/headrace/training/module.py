"""The LightningModule for any network and task, whose gradient is the same for any number of workers."""

from __future__ import annotations

from math import isfinite
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from headrace.contracts import Batch, Json, Metrics
from headrace.errors import ConfigError
from headrace.models.tta import disable_test_time_augmentation
from headrace.tasks import Task
from headrace.training.engine.row_dropout import use_row_dropout
from headrace.training.engine.sharding import apply_fsdp, average_buffers, gather_by_rank
from headrace.training.optim.optimizers import make_optimizer
from headrace.training.optim.schedules import build_schedule_options, make_schedule
from headrace.training.sampling.mixup import sum_over_mixed
from headrace.training.settings import ResolvedTrainSettings


class TrainingModule(pl.LightningModule):
    """Trains a network that takes raw stored inputs."""

    def __init__(
        self, network: nn.Module, task: Task, settings: ResolvedTrainSettings, *, transform: Json, num_steps: int
    ) -> None:
        """`num_steps`: optimizer steps of the training. Raises ConfigError if the settings do not fit the task."""
        super().__init__()
        self.network, self.task, self.settings, self.num_steps = network, task, settings, num_steps
        disable_test_time_augmentation(network)
        self.draws = use_row_dropout(network, settings.seed)
        self.loss_options = task.loss_options(settings, transform)
        # [loss, *metrics, rows], each summed over the rows on the device, and read once per epoch
        # (not buffers: at each step DDP would overwrite those of every rank by rank 0's)
        self.train_sums, self.val_sums = (torch.zeros(2 + len(task.metric_names)) for _ in range(2))
        self.epoch_metrics: dict[str, float] = {}
        self._own_state: dict[str, Any] = {}

    def _step(self, batch: Batch, sums: Tensor, options: Json) -> Tensor:
        """Returns the sum of the rows' losses, and adds to the running sums."""
        outputs = self.network(batch.inputs).float()
        loss = sum_over_mixed(batch, lambda part: self.task.loss(outputs, part, options))
        with torch.no_grad():
            metrics = sum_over_mixed(batch, lambda part: self.task.metric_sums(outputs, part, options))
            sums += torch.cat([loss.detach()[None], metrics, batch.weights.sum(0, keepdim=True)])
        return loss

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns a loss whose gradient, averaged over workers and parts, is that of the global batch's mean loss."""
        self.begin_draws(batch_idx)
        self.draws.select_rows(batch.first_row, len(batch.weights))
        loss = self._step(batch, self.train_sums, self.loss_options)
        return loss * (self.trainer.world_size * self.settings.accumulate / batch.num_rows)

    def begin_draws(self, batch_idx: int) -> None:
        """Sets the step that dropout is drawn for, so that a resumed training draws the same.

        Whatever else a network of the user's own draws is seeded with (seed, epoch, rank).
        """
        self.draws.begin(self.current_epoch, batch_idx // self.settings.accumulate)
        if batch_idx == 0:  # not in an epoch hook: the data loader draws a number before or after those
            torch.manual_seed(((self.settings.seed << 20) + self.current_epoch << 10) + self.global_rank)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 Lightning's signature
        """Adds a batch of validation rows to the running sums."""
        self._step(batch, self.val_sums, {**self.loss_options, "label_smoothing": 0.0})

    def configure_model(self) -> None:
        """Shards the weights if the strategy has a mesh of workers."""
        if self._device_mesh is not None:
            apply_fsdp(self.network, self._device_mesh["data_parallel"])

    def on_fit_start(self) -> None:
        """Moves the sums to the device of the network."""
        self.train_sums, self.val_sums = self.train_sums.to(self.device), self.val_sums.to(self.device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what differs by rank within an epoch: its sums, and the statistics of normalization layers."""
        own = {"sums": self.train_sums.cpu(), "buffers": {name: b.cpu() for name, b in self.network.named_buffers()}}
        checkpoint["ranks"] = gather_by_rank(own)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes this rank's part for the start of the training, when everything is on its device."""
        self._own_state = checkpoint["ranks"][self.global_rank]

    def on_train_start(self) -> None:
        """Restores this rank's part of an interrupted epoch."""
        if self._own_state:
            self.train_sums.copy_(self._own_state["sums"])
            for name, buffer in self.network.named_buffers():
                buffer.copy_(self._own_state["buffers"][name])
            self._own_state = {}

    def on_train_epoch_start(self) -> None:
        """Resets the sums."""
        self.train_sums.zero_()

    def on_validation_epoch_start(self) -> None:
        """Resets the sums, and makes the network the same on all workers."""
        self.val_sums.zero_()
        if self.trainer.world_size > 1:
            average_buffers(self.network)

    def on_validation_epoch_end(self) -> None:
        """Computes the epoch's metrics over all rows of all workers; raises ConfigError if the loss has diverged."""
        if self.trainer.sanity_checking:
            return
        sums = torch.stack([self.train_sums, self.val_sums])
        totals = self.trainer.strategy.reduce(sums, reduce_op="sum").tolist()
        self.epoch_metrics = {
            f"{split}_{name}": total / max(num_rows, 1)
            for split, (*split_totals, num_rows) in zip(("train", "val"), totals, strict=True)
            for name, total in zip(("loss", *self.task.metric_names), split_totals, strict=True)
        }
        diverged = [f"{name} to {value}" for name, value in self.epoch_metrics.items() if not isfinite(value)]
        if diverged:
            raise ConfigError(
                f"params.yaml: train.learning_rate: {self.settings.learning_rate:g} drove {diverged[0]} in epoch"
                f" {self.current_epoch + 1}; lower it, or set train.gradient_clip"
            )
        self.log_dict(self.epoch_metrics, rank_zero_only=False, sync_dist=False)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,  # noqa: ARG002 Lightning's signature
    ) -> None:
        """Clips the norm over all parameters; Lightning's own method rejects fused optimizers in mixed precision."""
        if gradient_clip_val:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(parameters, gradient_clip_val)

    def privacy_metrics(self) -> Metrics:
        """Returns what a private training spent of its budget; empty for others."""
        return {}

    def configure_optimizers(self) -> Any:
        """Builds the optimizer, and its schedule by step."""
        settings = self.settings
        optimizer = make_optimizer(
            self.network,
            settings.optimizer,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        schedule = make_schedule(
            optimizer,
            build_schedule_options(settings.schedule),
            num_epochs=settings.max_epochs,
            num_steps=self.num_steps,
            max_steps=settings.early_stopping.max_steps,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
