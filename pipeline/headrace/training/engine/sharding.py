"""Networks whose weights are shared out over the workers, for those too large for each to hold them whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def apply_fsdp(network: nn.Module, mesh: DeviceMesh) -> None:
    """Shares out each block's parameters, gradients and optimizer state (FSDP, https://arxiv.org/abs/2304.11277).

    A block's parameters are gathered when it is computed, and dropped behind it. Blocks are the members of the
    network's lists of layers; what is in none belongs to the network.
    """
    from torch.distributed.fsdp import fully_shard

    for layers in network.modules():
        if layers is not network and isinstance(layers, nn.ModuleList | nn.Sequential):
            for block in layers:
                if any(True for _ in block.parameters()) and not isinstance(block, nn.ModuleList | nn.Sequential):
                    fully_shard(block, mesh=mesh)
    fully_shard(network, mesh=mesh)


def gather_full_state_dict(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with every tensor whole; call it on all workers, for those that are shared out are gathered."""
    return {name: value.full_tensor() if isinstance(value, DTensor) else value for name, value in weights.items()}


def average_buffers(module: nn.Module) -> None:
    """Makes the running statistics of normalisation layers the mean over all workers, each of which saw other rows."""
    for buffer in module.buffers():
        if buffer.is_floating_point():
            torch.distributed.all_reduce(buffer)
            buffer.div_(torch.distributed.get_world_size())
