"""A deterministic sample of rows that depends on their ids alone: the rows whose ids have the smallest hashes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_ROWS = 100_000
"""Largest sample: a median of so many rows is off by about 0.2 % of the ranks."""
MAX_VALUES = 20_000_000
"""Rows times columns: 160 MB of float64."""
OVERSAMPLING = 8
"""Workers send this many times the expected number of rows, so that part of a table still fills the sample."""


class RowSample:
    """Rows of several arrays, those with the smallest hashes; parts of a table may be added in any order."""

    def __init__(self, num_columns: int) -> None:
        """Holds MAX_ROWS rows, or fewer if `num_columns` would exceed MAX_VALUES."""
        self._max_rows = max(1000, min(MAX_ROWS, MAX_VALUES // max(1, num_columns)))
        self._parts: list[tuple[NDArray[Any], ...]] = []
        self._num_rows = 0

    def add(self, row_hashes: NDArray[np.uint64], *values: NDArray[Any]) -> None:
        """Adds rows: arrays `[rows, ...]`, the same ones in every call."""
        self._parts.append((row_hashes, *values))
        self._num_rows += len(row_hashes)
        if self._num_rows > 4 * self._max_rows:
            self._shrink()

    def rows(self) -> tuple[NDArray[Any], ...]:
        """The arrays passed to `add`, without the hashes, ordered by hash; `()` if nothing was added."""
        if not self._parts:
            return ()
        self._shrink()
        return self._parts[0][1:]

    def _shrink(self) -> None:
        arrays = [np.concatenate(arrays) for arrays in zip(*self._parts, strict=True)]
        smallest = np.argsort(arrays[0], kind="stable")[: self._max_rows]
        self._parts, self._num_rows = [tuple(array[smallest] for array in arrays)], len(smallest)


def find_sample_candidates(row_hashes: NDArray[np.uint64], num_rows: int) -> NDArray[np.bool_]:
    """`[rows]`: which rows of a batch may belong to the sample of a table of `num_rows`."""
    fraction = min(1.0, OVERSAMPLING * MAX_ROWS / max(1, num_rows))
    return row_hashes.astype(np.float64) <= fraction * 2.0**64
