"""Counts of one column over a batch, merged in file order into those of the whole column."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.data.table.cleaning.cells import TypedColumn
from headrace.data.table.hashing import MISSING_HASH, hash_strings, mix_bits

MAX_DISTINCT = 10_000
"""Distinct values that are counted exactly; above this the number is an estimate with an error of about 1 %."""


class ColumnCounts(NamedTuple):
    """Counts of one column's cells over some rows."""

    num_missing: int
    num_broken: int
    smallest_hashes: NDArray[np.uint64]
    """The MAX_DISTINCT smallest distinct hashes of cells, sorted."""
    digest: int
    """Hash of all (row id, cell) pairs, ignoring spelling; a sum modulo 2**64, so row order does not matter."""
    low: float
    """Smallest finite quantity (numbers, days since 1970); infinity if there is none."""
    high: float
    is_integer: bool
    """Whether every quantity is an integer."""
    first: float
    """Quantity of the first row; NaN if it has none."""
    last: float
    is_counting: bool
    """Whether each row's quantity is the previous row's plus one."""


def count_column(cells: TypedColumn, row_hashes: NDArray[np.uint64]) -> ColumnCounts:
    """Counts one column of a batch that has at least one row."""
    hashes = cells.hashes
    is_text = cells.kind not in {"numeric", "date", "time"}
    folded = hash_strings(cells.text, spelling=False) if is_text else hashes
    with np.errstate(over="ignore"):
        digest = int(mix_bits(folded ^ row_hashes).sum(dtype=np.uint64))
    distinct = np.unique(hashes[hashes != MISSING_HASH])[:MAX_DISTINCT]
    num_broken = 0 if is_text else int(cells.is_broken.sum())
    num_missing = int((hashes == MISSING_HASH).sum())
    quantities = cells.quantities
    values = np.full(len(hashes), np.nan) if quantities is None else quantities
    finite, before, after = values[~np.isnan(values)], values[:-1], values[1:]
    return ColumnCounts(
        num_missing, num_broken, distinct, digest,
        low=float(finite.min(initial=np.inf)), high=float(finite.max(initial=-np.inf)),
        is_integer=bool((finite == np.floor(finite)).all()),
        first=float(values[0]), last=float(values[-1]),
        is_counting=bool(((after == before + 1) & (after > before)).all()),
    )  # fmt: skip


def merge_counts(before: ColumnCounts, after: ColumnCounts) -> ColumnCounts:
    """Merges the counts of two consecutive parts of a column."""
    return ColumnCounts(
        before.num_missing + after.num_missing,
        before.num_broken + after.num_broken,
        _smallest(before.smallest_hashes, after.smallest_hashes),
        (before.digest + after.digest) % 2**64,
        low=min(before.low, after.low),
        high=max(before.high, after.high),
        is_integer=before.is_integer and after.is_integer,
        first=before.first,
        last=after.last,
        is_counting=before.is_counting and after.is_counting and before.last + 1 == after.first,
    )


def estimate_distinct(counts: ColumnCounts) -> int:
    """Returns the number of distinct cells, exact below MAX_DISTINCT.

    Otherwise (k - 1) / h, where h in [0, 1] is the k-th smallest hash over 2**64 (Bar-Yossef et al., RANDOM 2002).
    """
    hashes = counts.smallest_hashes
    if len(hashes) < MAX_DISTINCT:
        return len(hashes)
    return round((MAX_DISTINCT - 1) / (float(hashes[-1]) / 2.0**64))


def _smallest(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The smallest distinct hashes of both; skips sorting if `second` adds none."""
    if len(first) == MAX_DISTINCT:
        second = second[second < first[-1]]
    positions = np.searchsorted(first, second)
    is_new = np.append(first, np.uint64(MISSING_HASH))[positions] != second  # beyond the last hash all are new
    return np.union1d(first, second[is_new])[:MAX_DISTINCT] if is_new.any() else first
