"""The module of a private training: DP-SGD (Abadi et al. 2016, algorithm 1) on any number of workers."""

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
from headrace.training.privacy.checks import resolve_delta
from headrace.training.privacy.keyed_random import draw_normals
from headrace.training.privacy.per_sample_gradients import PerSampleGradients
from headrace.training.privacy.poisson_sampling import PoissonBatchOrder
from headrace.training.settings import Privacy, ResolvedTrainSettings


@dataclass(frozen=True)
class Noise:
    """The noise that is added to the sum of clipped gradients of each step."""

    key: bytes
    """The noise is a pure function of (key, epoch, step)."""
    clip: float
    """Largest L2 norm of a row's gradient."""
    multiplier: float
    """Standard deviation in units of `clip`."""

    def draw(self, epoch: int, step: int, count: int) -> Tensor:
        """Returns noise `[count]` as float32."""
        drawn = draw_normals(self.key, "noise", (epoch, step), count) * (self.clip * self.multiplier)
        return torch.from_numpy(drawn).float()


class DPTrainingModule(TrainingModule):
    """Trains with the noisy mean of clipped per-sample gradients, and any optimizer."""

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        settings: ResolvedTrainSettings,
        *,
        transform: Json,
        order: PoissonBatchOrder,
    ) -> None:
        """`order`: the train rows, of any worker. Raises ConfigError as `resolve_delta` does."""
        num_steps = order.num_steps * settings.max_epochs
        super().__init__(network, task, settings, transform=transform, num_steps=num_steps)
        privacy: Privacy = settings.privacy  # type: ignore[assignment] # a private training has it
        self.budget = PrivacyBudget(privacy.epsilon, resolve_delta(privacy, order.num_rows), order.sample_rate)
        self.noise = Noise(order.key, privacy.clip, self.budget.noise_multiplier(num_steps))
        self._rows = PerSampleGradients(
            network, lambda outputs, batch: task.loss(outputs, batch, self.loss_options), self.draws
        )
        self._is_fixed = self._rows.find_fixed()
        self._expected_rows = order.sample_rate * order.num_rows
        self._gradient = torch.zeros(0)

    def privacy_metrics(self) -> Metrics:
        """Returns the epsilon of the steps so far, with its delta and noise."""
        return self.budget.make_metrics(self.noise.multiplier, self.trainer.global_step)

    def on_train_start(self) -> None:
        """Turns off DDP's averaging: the workers sum flat gradients themselves, including the noise."""
        super().on_train_start()
        if isinstance(self.trainer.strategy.model, DistributedDataParallel):
            self.trainer.strategy.model.require_backward_grad_sync = False

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns the mean loss of the worker's rows, and stores the gradient for `backward`.

        The sum of the clipped gradients is divided by the expected rows of a batch: the actual number is not public.
        """
        self.begin_draws(batch_idx)
        total, outputs = self._rows.clipped_sum(batch, self.noise.clip)
        if self.global_rank == 0:  # only there: machines may round differently
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
        """Assigns the step's gradient to the parameters; the loss itself has none."""
        weights = list(self._rows.parameters.values())
        for weight, part in zip(
            weights, torch.split(self._gradient, [weight.numel() for weight in weights]), strict=True
        ):
            weight.grad = part.view_as(weight).clone()
