"""The L1 penalty, which makes weights that do not contribute 0 (Tibshirani 1996)."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from headrace.training.optim.param_groups import split_weights


class L1Penalty(pl.Callback):
    """Adds the gradient of `strength` times the sum of absolute weights, excluding biases and normalization.

    It is added once per step: after averaging over workers and parts, before clipping. Losses are reported without it.
    """

    def __init__(self, strength: float) -> None:
        """`strength`: loss per unit of weight."""
        self._strength = strength

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Collects the weights."""
        self._weights: list[Tensor] = [weight for weight in split_weights(pl_module)[0] if weight.requires_grad]

    @torch.no_grad()
    def on_before_optimizer_step(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,  # noqa: ARG002
        optimizer: Optimizer,  # noqa: ARG002
    ) -> None:
        """Adds the gradient of |w|: the sign of w, and 0 at 0."""
        pairs = [(weight, weight.grad) for weight in self._weights if weight.grad is not None]
        signs = torch._foreach_sign([weight for weight, _ in pairs])  # noqa: SLF001 as torch's optimizers do
        torch._foreach_add_([gradient for _, gradient in pairs], signs, alpha=self._strength)
