"""The L1 penalty: weights that do not pay for themselves go to 0 (Tibshirani 1996)."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from headrace.training.optim.param_groups import weights_and_rest


class L1Penalty(pl.Callback):
    """Adds the gradient of `strength` times the sum of the weights' sizes; biases and norms are free of it.

    To the gradient of the whole step, behind the mean over workers and parts and before clipping: so it counts once.
    Losses are told without it.
    """

    def __init__(self, strength: float) -> None:
        """`strength`: in the loss's unit, per unit of weight."""
        self._strength = strength

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Finds the weights."""
        self._weights: list[Tensor] = [weight for weight in weights_and_rest(pl_module)[0] if weight.requires_grad]

    @torch.no_grad()
    def on_before_optimizer_step(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,  # noqa: ARG002
        optimizer: Optimizer,  # noqa: ARG002
    ) -> None:
        """The gradient of |w| is w's sign, and 0 at 0."""
        found = [(weight, weight.grad) for weight in self._weights if weight.grad is not None]
        signs = torch._foreach_sign([weight for weight, _ in found])  # noqa: SLF001 as torch's optimizers do
        torch._foreach_add_([gradient for _, gradient in found], signs, alpha=self._strength)
