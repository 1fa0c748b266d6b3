"""The Learner of a private training: DP-SGD (Abadi et al. 2016, algorithm 1) on any number of workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from headrace.contracts import Batch, Json, Metrics
from headrace.tasks import Task
from headrace.training.module import TrainingModule
from headrace.training.privacy.accountant import PrivacyBudget
from headrace.training.privacy.keyed_random import normals
from headrace.training.privacy.per_sample_gradients import RowGradients
from headrace.training.privacy.poisson_sampling import PoissonBatchOrder
from headrace.training.settings import Privacy, ResolvedTrainSettings, delta_of


@dataclass(frozen=True)
class Noise:
    """What is added to each step's sum of clipped gradients."""

    key: bytes
    """The numbers are a pure function of (key, epoch, step)."""
    clip: float
    """The largest norm of a row's gradient."""
    multiplier: float
    """The standard deviation, in units of `clip`."""

    def draw(self, epoch: int, step: int, count: int) -> Tensor:
        """float32 `[count]`."""
        drawn = normals(self.key, "noise", (epoch, step), count) * (self.clip * self.multiplier)
        return torch.from_numpy(drawn).float()


class DPTrainingModule(TrainingModule):
    """Steps along the noisy mean of clipped gradients of single rows; the optimizer behind it is any."""

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        settings: ResolvedTrainSettings,
        *,
        transform: Json,
        order: PoissonBatchOrder,
    ) -> None:
        """`order`: of the train rows, as any worker has it; raises ConfigError as `delta_of` does."""
        num_steps = order.num_steps * settings.max_epochs
        super().__init__(network, task, settings, transform=transform, num_steps=num_steps)
        privacy: Privacy = settings.privacy  # type: ignore[assignment] # a private training has it
        self.budget = PrivacyBudget(privacy.epsilon, delta_of(privacy, order.num_rows), order.sample_rate)
        self.noise = Noise(order.key, privacy.clip, self.budget.noise_multiplier(num_steps))
        self._rows = RowGradients(network, lambda outputs, batch: task.loss(outputs, batch, self.loss_options))
        self._is_fixed = self._rows.fixed()
        self._expected_rows = order.sample_rate * order.num_rows
        self._gradient = torch.zeros(0)

    def spent(self) -> Metrics:
        """Epsilon of the steps that were taken, at its delta."""
        return self.budget.told(self.noise.multiplier, self.trainer.global_step)

    def on_train_start(self) -> None:
        """DDP has nothing to average: what the workers add up is flat and has its noise already."""
        if isinstance(self.trainer.strategy.model, DistributedDataParallel):
            self.trainer.strategy.model.require_backward_grad_sync = False

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean loss of the worker's rows; keeps the gradient for `backward`.

        The sum of the clipped gradients is divided by the expected rows of a batch: the real number is not public.
        """
        self.seed_dropout(batch_idx)
        total, outputs = self._rows.clipped_sum(batch, self.noise.clip)
        if self.global_rank == 0:  # once, and not by each worker: another machine may round otherwise
            noise = self.noise.draw(self.current_epoch, batch_idx, len(total))
            total += noise.masked_fill(self._is_fixed, 0.0).to(total.device)
        if self.trainer.world_size > 1:
            total = self.trainer.strategy.reduce(total, reduce_op="sum")
        self._gradient = total / self._expected_rows
        with torch.no_grad():
            loss, num_rows = self.task.loss(outputs, batch, self.loss_options), batch.weights.sum()
            metrics = self.task.metric_sums(outputs, batch, self.loss_options)
            self.train_sums += torch.cat([loss[None], metrics, num_rows[None]])
        return loss / num_rows.clamp(min=1.0)

    def backward(self, loss: Tensor, *_: Any, **__: Any) -> None:  # noqa: ARG002 Lightning's signature
        """Hands the step's gradient to the parameters; the loss has none."""
        weights = list(self._rows.parameters.values())
        for weight, part in zip(
            weights, torch.split(self._gradient, [weight.numel() for weight in weights]), strict=True
        ):
            weight.grad = part.view_as(weight).clone()
