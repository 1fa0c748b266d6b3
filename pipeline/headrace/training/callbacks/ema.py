"""An exponential moving average of the weights, which is validated, saved and exported."""

from __future__ import annotations

from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from headrace.training.engine.sharding import gather_by_rank


class WeightEMA(pl.Callback):
    """Swaps in the averaged weights while the network is validated and saved, and trains on with the others.

    The average m <- d m + (1 - d) w starts at 0 and is bias-corrected as in Adam (Kingma and Ba 2015, section 3):
    m / (1 - d^t). Running statistics of batch norm are averaged too. Lightning's own callback (2.6) has no correction,
    and removes the averaged weights before other callbacks could save them.
    """

    def __init__(self, decay: float) -> None:
        """`decay` per optimizer step, in (0, 1). Callbacks that save weights must come before this one."""
        self._decay = decay
        self._num_steps = 0
        self._loaded: dict[str, Tensor] = {}
        self._loaded_buffers: list[dict[str, Tensor]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refers to the network's weights on their final device."""
        network = cast("nn.Module", pl_module.network)
        state = network.state_dict()  # shares the memory of the weights
        self._buffers = {name for name, _ in network.named_buffers()}
        if self._loaded_buffers:
            self._loaded |= self._loaded_buffers[trainer.global_rank]
        self._names = [name for name, value in state.items() if value.is_floating_point()]
        self._weights = [state[name] for name in self._names]
        self._means = [self._loaded.get(name, torch.zeros_like(state[name])).to(state[name]) for name in self._names]
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:  # noqa: ARG002
        """Updates the averages: m + (w - m) (1 - d) / (1 - d^t) is the corrected average after step t."""
        if trainer.global_step == self._step:
            return  # part of a step with accumulated gradients
        self._step = trainer.global_step
        self._num_steps += 1
        rate = (1 - self._decay) / (1 - self._decay**self._num_steps)
        torch._foreach_lerp_(self._means, self._weights, rate)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Swaps in the averages."""
        self._backup = [weight.clone() for weight in self._weights]
        torch._foreach_copy_(self._weights, self._means)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Restores the weights bit for bit; the averages take the statistics that the workers agreed on."""
        torch._foreach_copy_(self._means, self._weights)
        torch._foreach_copy_(self._weights, self._backup)
        self._backup = []

    def state_dict(self) -> dict[str, Any]:
        """Returns the averages and their number of steps; those of buffers by rank, which differ within an epoch."""
        means = dict(zip(self._names, self._means, strict=True))
        buffers = {name: mean.cpu() for name, mean in means.items() if name in self._buffers}
        return {"num_steps": self._num_steps, "means": means, "buffers": gather_by_rank(buffers)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the averages of an interrupted training."""
        self._num_steps, self._loaded, self._loaded_buffers = (
            state_dict["num_steps"], state_dict["means"], state_dict["buffers"]
        )  # fmt: skip
