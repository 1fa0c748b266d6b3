"""By hash: the split of rows that nothing else decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.data.splitting.clean_rows import CleanRows
from headrace.data.splitting.row_hash import by_counts, by_fractions, places
from headrace.data.splitting.stratify import fill_gaps
from headrace.errors import ConfigError, DataError
from headrace.paths import SPLITS


class HashSplitConfig(NamedTuple):
    """How rows are to be dealt out."""

    splits: Sequence[str]
    """Of SPLITS, in their order."""
    shares: Sequence[float]
    """Positive, of any sum."""
    seed: int
    is_stratified: bool
    counts: Sequence[int | None] | None = None
    """Of the chosen rows, instead of shares; one may be None: the rest. Classes then fall as they may."""


def by_hash(rows: CleanRows, chosen: NDArray[np.intp], wish: HashSplitConfig) -> NDArray[np.int8]:
    """Indices into SPLITS of the chosen rows (positions, in order): `[chosen]`."""
    of_row = rows.units.of_row[chosen]
    where = places(rows.units.keys, wish.seed)
    if wish.counts:
        sizes = np.bincount(of_row, minlength=len(where))
        found = by_counts(where, sizes, counts_of(wish.counts, len(chosen)))[of_row]
    else:
        found = by_fractions(where, wish.shares)[of_row]
        if wish.is_stratified:
            fill_gaps(
                found,
                where[of_row],
                rows.codes[chosen],
                is_single=rows.units.is_single[chosen],
                shares=wish.shares,
                names=(wish.splits, rows.classes),
            )
    return np.array([SPLITS.index(split) for split in wish.splits], np.int8)[found]


def counts_of(counts: Sequence[int | None], num_rows: int) -> list[int]:
    """Rows of each split; raises ConfigError where they do not make up all rows."""
    rest = num_rows - sum(count or 0 for count in counts)
    made = [rest if count is None else count for count in counts]
    if min(made) <= 0 or sum(made) != num_rows:
        told = ", ".join("null" if count is None else str(count) for count in counts)
        raise ConfigError(
            f"params.yaml: split.counts: [{told}] do not make up the {num_rows} rows that there are to part; give"
            " numbers that sum to them, or one null, which takes what the others leave"
        )
    return made


def folds(rows: CleanRows, is_tested: NDArray[np.bool_], *, num_folds: int, seed: int) -> NDArray[np.int8]:
    """`[rows]`: 0 to num_folds - 1 by hash, -1 for rows of the test split; clusters stay together.

    Raises DataError where a fold has no row.
    """
    where = places([b"fold:" + key for key in rows.units.keys], seed)[rows.units.of_row]
    found = np.floor(where * num_folds).astype(np.int8)
    found[is_tested] = -1
    sizes = np.bincount(found[~is_tested], minlength=num_folds)
    if not sizes.all():
        raise DataError(
            f"params.yaml: split.num_folds: fold {int(sizes.argmin())} of {num_folds} gets none of"
            f" {len(found) - is_tested.sum()} rows; choose fewer folds, or give more rows or groups"
        )
    return found
