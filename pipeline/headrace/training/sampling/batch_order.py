"""The order of rows: a pure function of (seed, epoch, step), the same for any number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.training.sampling.class_balanced import draw_balanced_rows


class WorkerShare(NamedTuple):
    """The rows of one worker in a global batch, or in a part of it."""

    rows: NDArray[np.int64]
    """Positions of the worker's rows."""
    weights: NDArray[np.float32]
    """1 per row; 0 for a placeholder if the last batch has fewer rows than there are workers (or parts)."""
    num_rows: int
    """Number of rows of the global batch."""
    batch: NDArray[np.int64] = np.empty(0, np.int64)
    """Positions of the rows of the global batch."""
    first: int = 0
    """Index of the first of `rows` in `batch`."""


@dataclass(frozen=True)
class BatchOrder:
    """Splits the rows of each epoch into global batches, and each of those into one share per worker."""

    num_rows: int
    batch_size: int
    seed: int
    rank: int = 0
    num_workers: int = 1
    is_shuffled: bool = True
    num_parts: int = 1
    """Number of consecutive parts of a worker's share of a global batch."""
    labels: NDArray[np.int64] | None = None
    """Class of each row; if given, each epoch draws all classes equally often."""

    @property
    def num_steps(self) -> int:
        """Steps per epoch, the same for each worker; the last batch may be smaller."""
        return -(-self.num_rows // self.batch_size)

    def rows_of_epoch(self, epoch: int) -> NDArray[np.int64]:
        """Returns a permutation of all rows, or of a balanced draw, by a counter-based generator of (seed, epoch)."""
        if not self.is_shuffled:
            return np.arange(self.num_rows)
        order = np.random.Generator(np.random.Philox(key=[self.seed, epoch])).permutation(self.num_rows)
        return order if self.labels is None else draw_balanced_rows(self.labels, self.seed, epoch)[order]

    def shares(self, epoch: int, first_step: int = 0) -> Iterator[WorkerShare]:
        """Yields the `num_parts` shares of this worker for each step, starting at `first_step`."""
        return self.split_rows(self.rows_of_epoch(epoch), first_step)

    def split_rows(self, rows: NDArray[np.int64], first_step: int = 0) -> Iterator[WorkerShare]:
        """Yields these shares of an epoch's rows, in its order."""
        for step in range(first_step, self.num_steps):
            batch = rows[step * self.batch_size : (step + 1) * self.batch_size]
            yield from self._parts(self._share(batch))

    def _share(self, batch: NDArray[np.int64]) -> WorkerShare:
        size, num_larger = divmod(len(batch), self.num_workers)  # the first shares have a row more
        first = self.rank * size + min(self.rank, num_larger)
        return _make_share(batch, batch[first : first + size + (self.rank < num_larger)], first)

    def _parts(self, share: WorkerShare) -> Iterator[WorkerShare]:
        if self.num_parts == 1:
            yield share
            return
        first = share.first
        for rows in np.array_split(share.rows[share.weights > 0], self.num_parts):
            yield _make_share(share.batch, rows, first)
            first += len(rows)


def _make_share(batch: NDArray[np.int64], own: NDArray[np.int64], first: int) -> WorkerShare:
    if len(own):
        return WorkerShare(own, np.ones(len(own), np.float32), len(batch), batch, first)
    # every worker must take part in the all-reduce of gradients: one without rows computes a row of weight 0
    return WorkerShare(batch[:1], np.zeros(1, np.float32), len(batch), batch)
