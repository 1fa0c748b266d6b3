from typing import Any

import pytest
import torch
from torch import nn

from headrace.training.engine import sharding
from headrace.training.engine.sharding import apply_fsdp, average_buffers, gather_full_state_dict


def test_fsdp_shards_the_blocks_of_lists_and_then_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    sharded: list[nn.Module] = []
    monkeypatch.setattr("torch.distributed.fsdp.fully_shard", lambda module, mesh: sharded.append(module))
    blocks = nn.ModuleList([nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 3), nn.ReLU())])
    network = nn.Sequential(nn.Linear(2, 2), blocks)
    apply_fsdp(network, None)  # type: ignore[arg-type]
    assert sharded == [blocks[0], blocks[1][0], network], "layers without parameters are not sharded"


def test_state_dict_gathers_sharded_tensors_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sharded:
        def full_tensor(self) -> torch.Tensor:
            return torch.ones(4)

    monkeypatch.setattr(sharding, "DTensor", Sharded)
    plain = torch.zeros(2)
    weights: dict[str, Any] = {"sharded": Sharded(), "plain": plain}
    state = gather_full_state_dict(weights)
    assert torch.equal(state["sharded"], torch.ones(4))
    assert state["plain"] is plain


def test_buffers_are_averaged_over_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    norm = nn.BatchNorm1d(2)
    norm.running_mean = torch.tensor([1.0, 2.0])
    norm.num_batches_tracked = torch.tensor(3)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda buffer: buffer.add_(torch.full_like(buffer, 3.0)))
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    average_buffers(norm)
    assert norm.running_mean.tolist() == [2.0, 2.5]
    assert norm.running_var.tolist() == [2.0, 2.0]
    assert norm.num_batches_tracked == 3, "integers are the same on all workers"
