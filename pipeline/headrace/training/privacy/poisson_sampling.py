"""Poisson sampling: each step draws every row with the same probability, as privacy accounting assumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from headrace.training.privacy.keyed_random import draw_uniforms
from headrace.training.sampling.batch_order import BatchOrder, WorkerShare


@dataclass(frozen=True)
class PoissonBatchOrder(BatchOrder):
    """Batches of varying size, `batch_size` on average: a pure function of (key, epoch, step).

    A row may occur several times in an epoch, or never; an epoch has as many steps as without privacy. A batch may be
    empty: its step then only adds noise, and counts.
    """

    key: bytes = b""

    @property
    def sample_rate(self) -> float:
        """Probability that a step uses a given row."""
        return min(1.0, self.batch_size / self.num_rows)

    def rows_of_step(self, epoch: int, step: int) -> NDArray[np.int64]:
        """Returns the rows of a global batch, ascending.

        If each row is drawn with probability q, the number of rows skipped between two of them is geometric:
        floor(log u / log(1 - q)). The cost is therefore proportional to the batch, not to all rows.
        """
        if self.sample_rate >= 1:
            return np.arange(self.num_rows)
        drawn, last, block = [np.empty(0, np.int64)], -1, int(self.batch_size + 4 * sqrt(self.batch_size) + 8)
        while last < self.num_rows:
            numbers = draw_uniforms(self.key, "rows", (epoch, step, len(drawn)), block)
            num_skipped = np.floor(np.log(numbers) / np.log1p(-self.sample_rate))
            rows = last + np.cumsum(num_skipped + 1).astype(np.int64)
            drawn.append(rows)
            last = int(rows[-1])
        all_rows = np.concatenate(drawn)
        return all_rows[all_rows < self.num_rows]

    def shares(self, epoch: int, first_step: int = 0) -> Iterator[WorkerShare]:
        """Yields the share of this worker for each step, starting at `first_step`."""
        for step in range(first_step, self.num_steps):
            rows = self.rows_of_step(epoch, step)
            # in an empty batch every worker computes a row of weight 0, as in one with fewer rows than workers
            yield self._share(rows) if len(rows) else WorkerShare(np.zeros(1, np.int64), np.zeros(1, np.float32), 0)
