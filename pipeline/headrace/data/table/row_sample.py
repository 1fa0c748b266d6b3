"""A sample of rows that depends on nothing but the rows: those with the smallest codes of their ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_ROWS = 100_000
"""Rows whose values stand for all where there are more: a median of so many is 0.2 % of the ranks off."""
MAX_VALUES = 20_000_000
"""Rows times columns: 160 MB of float64."""
SPARE = 8
"""Workers send this many times the rows wanted, so that a part of the table still fills the sample."""


class Sample:
    """Rows of several arrays, the ones with the smallest codes; parts of a table add up in any order."""

    def __init__(self, num_columns: int) -> None:
        """Room for MAX_ROWS rows, fewer where they have more columns than MAX_VALUES allows."""
        self._max_rows = max(1000, min(MAX_ROWS, MAX_VALUES // max(1, num_columns)))
        self._parts: list[tuple[NDArray[Any], ...]] = []
        self._num_rows = 0

    def add(self, row_codes: NDArray[np.uint64], *values: NDArray[Any]) -> None:
        """Rows of a part: arrays `[rows, ...]`, the same kinds in every call."""
        self._parts.append((row_codes, *values))
        self._num_rows += len(row_codes)
        if self._num_rows > 4 * self._max_rows:
            self._keep()

    def rows(self) -> tuple[NDArray[Any], ...]:
        """The arrays that `add` was given, without the codes, in the order of the codes; `()` before the first."""
        if not self._parts:
            return ()
        self._keep()
        return self._parts[0][1:]

    def _keep(self) -> None:

        arrays = [np.concatenate(arrays) for arrays in zip(*self._parts, strict=True)]
        kept = np.argsort(arrays[0], kind="stable")[: self._max_rows]
        self._parts, self._num_rows = [tuple(array[kept] for array in arrays)], len(kept)


def may_be_sampled(row_codes: NDArray[np.uint64], num_rows: int) -> NDArray[np.bool_]:
    """`[rows]`: which of a batch's rows could be among the smallest of `num_rows`."""
    share = min(1.0, SPARE * MAX_ROWS / max(1, num_rows))
    return row_codes.astype(np.float64) <= share * 2.0**64
