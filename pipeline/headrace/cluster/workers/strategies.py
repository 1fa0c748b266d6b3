"""Lightning strategies for Ray workers, replicated (DDP) or sharded (FSDP), and a callback that sends files."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import ray.train.torch
import torch
from pytorch_lightning.strategies import ModelParallelStrategy
from ray.train.lightning import RayDDPStrategy

from headrace.cluster.workers.caller_files import WorkFolder
from headrace.cluster.workers.process_group import COLLECTIVE_TIMEOUT


def make_strategy(name: str, num_workers: int) -> Any:
    """Makes the strategy `ddp` or `fsdp`; a single worker always uses DDP."""
    if name == "fsdp" and num_workers > 1:
        return RayShardedStrategy(
            data_parallel_size=num_workers,
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,  # a single file can be read by any number of workers
            timeout=COLLECTIVE_TIMEOUT,
        )
    # buffers are averaged before each validation; broadcasting them at each step would cost a round trip
    return RayDDPStrategy(timeout=COLLECTIVE_TIMEOUT, broadcast_buffers=False, gradient_as_bucket_view=True)


class RayShardedStrategy(ModelParallelStrategy):
    """FSDP (fully_shard) on the devices assigned by Ray, including CPUs, which Lightning's FSDPStrategy rejects."""

    @property
    def root_device(self) -> torch.device:
        """The device that Ray assigned to this worker."""
        device: torch.device = ray.train.torch.get_device()
        return device


class SendFiles(pl.Callback):
    """Sends weights and resume state to the caller's node after each epoch; the last of the callbacks."""

    def __init__(self, folder: WorkFolder) -> None:
        """`folder` is where the other callbacks write."""
        self._folder = folder

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Sends what rank 0 has written; the next epoch begins when it has arrived."""
        if trainer.is_global_zero:
            self._folder.send_changes()
