"""The order of a private training: each step draws every row with the same probability, as the accounting assumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from headrace.training.privacy.keyed_random import uniforms
from headrace.training.sampling.batch_order import BatchOrder, WorkerShare


@dataclass(frozen=True)
class PoissonBatchOrder(BatchOrder):
    """Batches of varying size, `batch_size` in the mean: a pure function of (key, epoch, step), as Order is of a seed.

    A row may come several times an epoch, or not at all; an epoch has as many steps as it has without privacy. A batch
    may be empty: its step then adds noise alone, and counts.
    """

    key: bytes = b""

    @property
    def sample_rate(self) -> float:
        """The probability in which a step takes a row."""
        return min(1.0, self.batch_size / self.num_rows)

    def rows_of_step(self, epoch: int, step: int) -> NDArray[np.int64]:
        """The rows of a global batch, ascending.

        The gaps between rows that are taken one by one with probability q are geometric: floor(log u / log(1 - q)) is
        how many are passed over. So a step costs as its batch, and not as all rows.
        """
        if self.sample_rate >= 1:
            return np.arange(self.num_rows)
        drawn, last, block = [np.empty(0, np.int64)], -1, int(self.batch_size + 4 * sqrt(self.batch_size) + 8)
        while last < self.num_rows:
            numbers = uniforms(self.key, "rows", (epoch, step, len(drawn)), block)
            passed_over = np.floor(np.log(numbers) / np.log1p(-self.sample_rate))
            rows = last + np.cumsum(passed_over + 1).astype(np.int64)
            drawn.append(rows)
            last = int(rows[-1])
        found = np.concatenate(drawn)
        return found[found < self.num_rows]

    def shares(self, epoch: int, first_step: int = 0) -> Iterator[WorkerShare]:
        """Yields this worker's share of each step from `first_step` on."""
        for step in range(first_step, self.num_steps):
            rows = self.rows_of_step(epoch, step)
            # of an empty batch every worker computes a row that weighs nothing, as of one with fewer rows than workers
            yield self._share(rows) if len(rows) else WorkerShare(np.zeros(1, np.int64), np.zeros(1, np.float32), 0)
