"""The one DataModule: memory-mapped rows, one gather a batch, in an order that no number of workers changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset

from pipeline.contracts import Batch, Spec
from pipeline.learning.order import Order, Share
from pipeline.learning.poisson import PoissonOrder
from pipeline.learning.settings import TrainSettings
from pipeline.modalities.augment import AUGMENTERS
from pipeline.storage.arrays import Arrays, open_arrays

VALIDATION_BATCH_SIZE = 512


class Batches(IterableDataset[Batch]):
    """One worker's batches of one epoch after another; `epoch` says which comes next."""

    def __init__(self, arrays: Arrays, order: Order, augmenter: Any = None) -> None:
        """Reads `arrays` in `order`; `augmenter` (inputs, rows, epoch) -> inputs."""
        self.arrays, self.order, self.augmenter = arrays, order, augmenter
        self.epoch = 0

    def __len__(self) -> int:
        return self.order.num_steps

    def __iter__(self) -> Iterator[Batch]:
        for share in self.order.shares(self.epoch):
            yield self._gather(share)

    def _gather(self, share: Share) -> Batch:
        inputs = self.arrays.inputs[share.rows]
        if self.augmenter is not None:
            inputs = self.augmenter(inputs, share.rows, self.epoch)
        targets = torch.from_numpy(self.arrays.targets[share.rows])
        return Batch(
            torch.from_numpy(np.ascontiguousarray(inputs)), targets, torch.from_numpy(share.weights), share.num_rows
        )


class ArraysDataModule(pl.LightningDataModule):
    """Train and validation rows of `data/normalized`, for worker `rank` of `num_workers`."""

    def __init__(
        self, folder: Path, settings: TrainSettings, *, rank: int = 0, num_workers: int = 1, key: bytes = b""
    ) -> None:
        """Opens nothing yet: each worker opens its own memory maps in `setup`; `key`: of a private training."""
        super().__init__()
        self.key = key
        self.folder, self.settings, self.rank, self.num_workers = folder, settings, rank, num_workers

    def setup(self, stage: str) -> None:  # noqa: ARG002 Lightning's signature
        """Opens the arrays and builds the augmentation."""
        settings = self.settings
        augmenter = None
        if settings.augmentation:
            augmenter = AUGMENTERS[Spec.read(self.folder).modality](settings.augmentation, settings.seed)
        train, val = (open_arrays(self.folder / split) for split in ("train", "val"))
        order = self._order(len(train), settings.batch_size)
        if settings.privacy:
            order = PoissonOrder(
                len(train), settings.batch_size, settings.seed, self.rank, self.num_workers, key=self.key
            )
        self.train_batches = Batches(train, order, augmenter)
        self.val_batches = Batches(val, self._order(len(val), VALIDATION_BATCH_SIZE, is_shuffled=False))

    def _order(self, num_rows: int, batch_size: int, *, is_shuffled: bool = True) -> Order:
        return Order(num_rows, batch_size, self.settings.seed, self.rank, self.num_workers, is_shuffled)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Called at each epoch's start (`reload_dataloaders_every_n_epochs=1`), so that the order follows the epoch."""
        self.train_batches.epoch = self.trainer.current_epoch if self.trainer else 0
        return DataLoader(self.train_batches, batch_size=None)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Every validation row once, over all workers."""
        return DataLoader(self.val_batches, batch_size=None)
