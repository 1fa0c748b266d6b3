"""Lightning's strategies for Ray's workers: what each holds of the network, and how their gradients meet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import ray.train.torch
import torch
from pytorch_lightning.strategies import ModelParallelStrategy
from ray.train.lightning import RayDDPStrategy

COLLECTIVE_TIMEOUT = timedelta(minutes=10)


def make_strategy(name: str, num_workers: int) -> Any:
    """`ddp` or `fsdp`; one worker holds all in either case."""
    if name == "fsdp" and num_workers > 1:
        return RayShardedStrategy(
            data_parallel_size=num_workers,
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,  # one file that any number of workers, or none, can read
            timeout=COLLECTIVE_TIMEOUT,
        )
    # buffers are averaged before each validation; to send them at each step, as by default, would cost a round trip
    return RayDDPStrategy(timeout=COLLECTIVE_TIMEOUT, broadcast_buffers=False, gradient_as_bucket_view=True)


class RayShardedStrategy(ModelParallelStrategy):
    """FSDP (fully_shard) on the devices that Ray gave; on CPUs too, which Lightning's FSDPStrategy refuses."""

    @property
    def root_device(self) -> torch.device:
        """Ray's device of this worker."""
        device: torch.device = ray.train.torch.get_device()
        return device
