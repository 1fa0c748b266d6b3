"""Weight averaging: an exponential moving mean of the weights is validated, kept and exported."""

from __future__ import annotations

from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn


class WeightEMA(pl.Callback):
    """Puts the averaged weights in place while the network is validated and kept, and the others for the steps.

    The mean is that of a start at 0, corrected as Adam's are (Kingma and Ba 2015, section 3): m <- d m + (1 - d) w,
    taken as m / (1 - d^t), so that the first weights have no more say than d leaves them. Running statistics of
    batch norm are averaged alike. Lightning's own (2.6) has no correction, and takes the averaged weights away again
    before other callbacks could keep them.
    """

    def __init__(self, decay: float) -> None:
        """`decay` per optimizer step, in (0, 1). Callbacks that keep weights must stand before this one."""
        self._decay = decay
        self._num_steps = 0
        self._loaded: dict[str, Tensor] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Finds the network's weights, where they now are."""
        state = cast("nn.Module", pl_module.network).state_dict()  # shares the memory of the weights
        self._names = [name for name, value in state.items() if value.is_floating_point()]
        self._weights = [state[name] for name in self._names]
        self._means = [self._loaded.get(name, torch.zeros_like(state[name])).to(state[name]) for name in self._names]
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:  # noqa: ARG002
        """Draws the means towards the weights: m + (w - m) (1 - d) / (1 - d^t) is the corrected mean after step t."""
        if trainer.global_step == self._step:
            return  # a part of a step, of accumulated gradients
        self._step = trainer.global_step
        self._num_steps += 1
        share = (1 - self._decay) / (1 - self._decay**self._num_steps)
        torch._foreach_lerp_(self._means, self._weights, share)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """The means take the weights' place."""
        self._aside = [weight.clone() for weight in self._weights]
        torch._foreach_copy_(self._weights, self._means)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """The weights come back, bit for bit; the means keep the statistics that workers agreed on to be judged by."""
        torch._foreach_copy_(self._means, self._weights)
        torch._foreach_copy_(self._weights, self._aside)
        self._aside = []

    def state_dict(self) -> dict[str, Any]:
        """The means, for a resumed training."""
        return {"num_steps": self._num_steps, "means": dict(zip(self._names, self._means, strict=True))}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the means of a killed training."""
        self._num_steps, self._loaded = state_dict["num_steps"], state_dict["means"]
