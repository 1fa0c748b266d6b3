"""The DataModule: memory-mapped rows, one gather per batch, in an order independent of the number of workers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from headrace.contracts import Augmenter, Batch, Spec
from headrace.data.augmenters import make_augmenter
from headrace.storage.arrays import Arrays, open_arrays
from headrace.storage.positional_reads import without_mapping
from headrace.training.privacy.poisson_sampling import PoissonBatchOrder
from headrace.training.sampling.batch_order import BatchOrder, WorkerShare
from headrace.training.sampling.mixup import Mixer, make_mixer
from headrace.training.settings import ResolvedTrainSettings

VALIDATION_BATCH_SIZE = 512


class Batches(IterableDataset[Batch]):
    """The batches of one worker in the epoch `epoch`."""

    def __init__(
        self, arrays: Arrays, order: BatchOrder, augmenter: Augmenter | None = None, mixer: Mixer | None = None
    ) -> None:
        """Reads `arrays` in `order`."""
        self.arrays, self.order, self.augmenter, self.mixer = arrays, order, augmenter, mixer
        self.epoch, self._num_read, self._first = 0, 0, 0
        self._rows = without_mapping(arrays.inputs)

    def __len__(self) -> int:
        return self.order.num_steps * self.order.num_parts

    def __iter__(self) -> Iterator[Batch]:
        num_parts, first = self.order.num_parts, self._first
        shares = self.order.shares(self.epoch, first // num_parts)
        if hasattr(self._rows, "read_ahead"):  # rows on another machine
            shares = self._rows.read_ahead(shares)
        for index, share in enumerate(shares, first):
            self._num_read = index + 1
            yield self._gather(share, index // num_parts)

    def start_epoch(self, epoch: int) -> None:
        """Starts with the first batch of an epoch."""
        self.epoch, self._num_read, self._first = epoch, 0, 0

    def state_dict(self) -> dict[str, int]:
        """Returns how many batches have been read; with `load_state_dict`, Lightning resumes within an epoch."""
        return {"num_read": self._num_read}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Starts behind the batches that an interrupted training has read; it ended with a whole step."""
        self._first = self._num_read = state["num_read"]

    def _gather(self, share: WorkerShare, step: int) -> Batch:
        inputs = self._inputs(share.rows)
        partner_targets = mix_weights = None
        if self.mixer is not None:
            pairs = self.mixer.draw_pairs(share, self.epoch, step)
            # a partner may be a row of another worker, whose inputs are then computed here too
            has_all_rows, partners = len(share.rows) == share.num_rows, share.batch[pairs.partners]
            others = inputs[pairs.partners] if has_all_rows else self._inputs(partners)
            inputs, own_weights = self.mixer.mix(pairs, inputs, others, rows=share.rows, epoch=self.epoch)
            partner_targets, mix_weights = self._targets(partners), torch.from_numpy(own_weights)
        weights = torch.from_numpy(share.weights)
        tensor = torch.from_numpy(np.ascontiguousarray(inputs))
        targets = self._targets(share.rows)
        return Batch(tensor, targets, weights, share.num_rows, partner_targets, mix_weights, share.first)

    def _inputs(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        inputs: NDArray[Any] = self._rows[rows]
        return inputs if self.augmenter is None else self.augmenter(inputs, rows, self.epoch)

    def _targets(self, rows: NDArray[np.int64]) -> torch.Tensor:
        return torch.from_numpy(self.arrays.targets[rows])


def pin_batch(batch: Batch) -> Batch:
    """Copies a batch to page-locked memory, from which it goes to a GPU while the step before still computes.

    torch reuses the memory of earlier batches once their copies have ended.
    """
    pinned: list[Any] = [value.pin_memory() if isinstance(value, torch.Tensor) else value for value in batch]
    return Batch(*pinned)


class ArraysDataModule(pl.LightningDataModule):
    """Train and validation rows of `data/normalized`, for worker `rank` of `num_workers`."""

    def __init__(
        self, folder: Path, settings: ResolvedTrainSettings, *, rank: int = 0, num_workers: int = 1, key: bytes = b""
    ) -> None:
        """Opens no files: each worker opens its own memory maps in `setup`. `key`: of a private training."""
        super().__init__()
        self.open_split: Callable[[Path], Arrays] = open_arrays
        self.key = key
        self.folder, self.settings, self.rank, self.num_workers = folder, settings, rank, num_workers

    def setup(self, stage: str) -> None:  # noqa: ARG002 Lightning's signature
        """Opens the arrays and builds the augmentation, once."""
        if hasattr(self, "train_batches"):
            return
        settings, modality = self.settings, Spec.read(self.folder).modality
        transform = json.loads((self.folder / "transform.json").read_bytes())
        augmenter = make_augmenter(modality, settings, transform)
        mixer = make_mixer(modality, settings, transform)
        train, val = (self.open_split(self.folder / split) for split in ("train", "val"))
        labels = np.asarray(train.targets) if settings.sampling == "balanced" else None
        order = replace(self._order(len(train), settings.batch_size), num_parts=settings.accumulate, labels=labels)
        if settings.privacy:
            order = PoissonBatchOrder(
                len(train), settings.batch_size, settings.seed, self.rank, self.num_workers, key=self.key
            )
        self.train_batches = Batches(train, order, augmenter, mixer)
        self.val_batches = Batches(val, self._order(len(val), VALIDATION_BATCH_SIZE, is_shuffled=False))

    def _order(self, num_rows: int, batch_size: int, *, is_shuffled: bool = True) -> BatchOrder:
        return BatchOrder(num_rows, batch_size, self.settings.seed, self.rank, self.num_workers, is_shuffled)

    def train_dataloader(self) -> Batches:
        """Returns the batches of the current epoch; called in each (`reload_dataloaders_every_n_epochs=1`)."""
        self.train_batches.start_epoch(self.trainer.current_epoch if self.trainer else 0)
        return self.train_batches

    def val_dataloader(self) -> Batches:
        """Returns batches that contain every validation row once, over all workers."""
        return self.val_batches

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:  # noqa: ARG002 Lightning's signature
        """Pins a batch for CUDA; Lightning's copy to the device is non-blocking, which pageable memory prevents."""
        is_cuda = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return pin_batch(batch) if is_cuda else batch
