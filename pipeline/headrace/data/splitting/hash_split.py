"""Splits by hash: the split of rows that nothing else decides, and folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.data.splitting.clean_rows import CleanRows
from headrace.data.splitting.exact_split import assign_exactly
from headrace.data.splitting.row_hash import assign_by_counts, assign_by_fractions, hash_positions
from headrace.data.splitting.stratify import fill_class_gaps
from headrace.errors import ConfigError, DataError
from headrace.paths import SPLITS


class HashSplitConfig(NamedTuple):
    """How to distribute rows."""

    splits: Sequence[str]
    """Some of SPLITS, in their order."""
    fractions: Sequence[float]
    """Positive; they need not sum to 1."""
    seed: int
    is_stratified: bool
    counts: Sequence[int | None] | None = None
    """Rows of each split instead of fractions; one may be None: the rest. Not stratified."""
    exact_below: int = 0
    """Fewer rows fill the fractions to the row; more are split by their positions alone, which new rows do not move."""


def split_by_hash(rows: CleanRows, chosen: NDArray[np.intp], config: HashSplitConfig) -> NDArray[np.int8]:
    """Returns indices into SPLITS for the chosen rows (positions, in order): `[chosen]`."""
    group_of_row = rows.groups.group_of_row[chosen]
    hashes = hash_positions(rows.groups.keys, config.seed)
    if config.counts:
        sizes = np.bincount(group_of_row, minlength=len(hashes))
        assigned = assign_by_counts(hashes, sizes, resolve_counts(config.counts, len(chosen)))[group_of_row]
    else:
        codes = rows.codes[chosen] if config.is_stratified else np.zeros(len(chosen), np.int32)
        if len(chosen) < config.exact_below:
            assigned = assign_exactly(hashes, group_of_row, codes, config.fractions)
        else:
            assigned = assign_by_fractions(hashes, config.fractions)[group_of_row]
        if config.is_stratified:
            fill_class_gaps(
                assigned,
                hashes[group_of_row],
                codes,
                is_single=rows.groups.is_single[chosen],
                fractions=config.fractions,
                names=(config.splits, rows.classes),
            )
    return np.array([SPLITS.index(split) for split in config.splits], np.int8)[assigned]


def resolve_counts(counts: Sequence[int | None], num_rows: int) -> list[int]:
    """Returns the rows of each split; raises ConfigError where they do not sum to all rows."""
    rest = num_rows - sum(count or 0 for count in counts)
    resolved = [rest if count is None else count for count in counts]
    if min(resolved) <= 0 or sum(resolved) != num_rows:
        got = ", ".join("null" if count is None else str(count) for count in counts)
        raise ConfigError(
            f"params.yaml: split.counts: [{got}] does not add up to the {num_rows} available rows; give numbers that"
            " sum to them, or one null, which takes the rest"
        )
    return resolved


def assign_folds(rows: CleanRows, is_test: NDArray[np.bool_], *, num_folds: int, seed: int) -> NDArray[np.int8]:
    """`[rows]`: 0 to num_folds - 1 by hash, -1 for rows of the test split; groups stay together.

    Raises DataError where a fold is empty.
    """
    hashes = hash_positions([b"fold:" + key for key in rows.groups.keys], seed)[rows.groups.group_of_row]
    folds = np.floor(hashes * num_folds).astype(np.int8)
    folds[is_test] = -1
    sizes = np.bincount(folds[~is_test], minlength=num_folds)
    if not sizes.all():
        raise DataError(
            f"params.yaml: split.num_folds: fold {int(sizes.argmin())} of {num_folds} gets none of"
            f" {len(folds) - is_test.sum()} rows; choose fewer folds, or give more rows or groups"
        )
    return folds
