"""Sharding of networks that are too large for the memory of one worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def apply_fsdp(network: nn.Module, mesh: DeviceMesh) -> None:
    """Shards parameters, gradients and optimizer state over the workers (FSDP, https://arxiv.org/abs/2304.11277).

    The parameters of a block are gathered when it is computed, and freed afterwards. Blocks are the members of the
    network's lists of layers; all other parameters belong to the network.
    """
    from torch.distributed.fsdp import fully_shard

    for layers in network.modules():
        if layers is not network and isinstance(layers, nn.ModuleList | nn.Sequential):
            for block in layers:
                if any(True for _ in block.parameters()) and not isinstance(block, nn.ModuleList | nn.Sequential):
                    fully_shard(block, mesh=mesh)
    fully_shard(network, mesh=mesh)


def gather_full_state_dict(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns a state dict with complete tensors; must be called on all workers, since sharded ones are gathered."""
    return {name: value.full_tensor() if isinstance(value, DTensor) else value for name, value in weights.items()}


def gather_by_rank(value: Any) -> list[Any]:
    """Returns the value that each rank passed, by rank; must be called on all workers. Plain values and tensors."""
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def average_buffers(module: nn.Module) -> None:
    """Averages the running statistics of normalization layers over all workers, which have seen different rows."""
    for buffer in module.buffers():
        if buffer.is_floating_point():
            torch.distributed.all_reduce(buffer)
            buffer.div_(torch.distributed.get_world_size())
