"""Strategies: which one a number of workers gets."""

import pytest

from headrace.cluster.workers.strategies import RayShardedStrategy, make_strategy

pytestmark = pytest.mark.ray


def test_fsdp_writes_one_checkpoint_for_any_number_of_workers() -> None:
    from ray.train.lightning import RayDDPStrategy

    sharded = make_strategy("fsdp", 2)
    assert isinstance(sharded, RayShardedStrategy)
    assert sharded._save_distributed_checkpoint is False
    assert isinstance(make_strategy("fsdp", 1), RayDDPStrategy), "one worker holds the whole network"


def test_ddp_sends_no_buffers_with_each_step() -> None:
    assert make_strategy("ddp", 2)._ddp_kwargs == {"broadcast_buffers": False, "gradient_as_bucket_view": True}
