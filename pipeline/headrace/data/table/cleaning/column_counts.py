"""What a part of a table tells of one column; parts of a column add up in the order of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.data.table.hashing import MISSING, mix, of_strings

if TYPE_CHECKING:
    from headrace.data.table.cleaning.cells import TypedColumn

MAX_DISTINCT = 10_000
"""Distinct values that are counted exactly; of more the number is estimated, 1 % off."""


class ColumnCounts(NamedTuple):
    """Counts of some rows' cells of one column."""

    num_missing: int
    num_broken: int
    smallest_codes: NDArray[np.uint64]
    """The MAX_DISTINCT smallest distinct codes of cells, sorted."""
    digest: int
    """Of every row id with its cell, up to spelling; a sum modulo 2**64, so in any order."""
    low: float
    """Smallest finite quantity (numbers, days since 1970); infinity where there is none."""
    high: float
    is_whole: bool
    """Whether every quantity is an integer."""
    first: float
    """The first row's quantity, NaN where it has none."""
    last: float
    is_counting: bool
    """Whether each row's quantity is that of the row before, plus one."""


def part_of(cells: TypedColumn, row_codes: NDArray[np.uint64]) -> ColumnCounts:
    """Looks at one column of a batch of at least one row."""
    codes = cells.codes
    is_text = cells.kind not in {"numeric", "date"}
    folded = of_strings(cells.text, spelling=False) if is_text else codes
    with np.errstate(over="ignore"):
        digest = int(mix(folded ^ row_codes).sum(dtype=np.uint64))
    distinct = np.unique(codes[codes != MISSING])[:MAX_DISTINCT]
    num_broken = 0 if is_text else int(cells.is_broken.sum())
    num_missing = int((codes == MISSING).sum())
    quantities = cells.quantities
    values = np.full(len(codes), np.nan) if quantities is None else quantities
    finite, before, after = values[~np.isnan(values)], values[:-1], values[1:]
    return ColumnCounts(
        num_missing, num_broken, distinct, digest,
        low=float(finite.min(initial=np.inf)), high=float(finite.max(initial=-np.inf)),
        is_whole=bool((finite == np.floor(finite)).all()),
        first=float(values[0]), last=float(values[-1]),
        is_counting=bool(((after == before + 1) & (after > before)).all()),
    )  # fmt: skip


def add(before: ColumnCounts, after: ColumnCounts) -> ColumnCounts:
    """Two parts of a column as one, `after` following `before` in the file."""
    return ColumnCounts(
        before.num_missing + after.num_missing,
        before.num_broken + after.num_broken,
        _smallest(before.smallest_codes, after.smallest_codes),
        (before.digest + after.digest) % 2**64,
        low=min(before.low, after.low),
        high=max(before.high, after.high),
        is_whole=before.is_whole and after.is_whole,
        first=before.first,
        last=after.last,
        is_counting=before.is_counting and after.is_counting and before.last + 1 == after.first,
    )


def num_distinct(part: ColumnCounts) -> int:
    """Distinct cells, exact up to MAX_DISTINCT.

    Of more it is (k - 1) over the k-th smallest code as a share of all codes (Bar-Yossef et al., RANDOM 2002).
    """
    found = part.smallest_codes
    if len(found) < MAX_DISTINCT:
        return len(found)
    return round((MAX_DISTINCT - 1) / (float(found[-1]) / 2.0**64))


def _smallest(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The smallest of both; what is sorted already is not sorted again where nothing is new."""
    if len(first) == MAX_DISTINCT:
        second = second[second < first[-1]]
    places = np.searchsorted(first, second)
    is_new = np.append(first, np.uint64(MISSING))[places] != second  # beyond the last all are new
    return np.union1d(first, second[is_new])[:MAX_DISTINCT] if is_new.any() else first
