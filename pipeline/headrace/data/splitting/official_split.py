"""Official: the splits that the source came with, what they lack, and what leaks between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.data.splitting.clean_rows import CleanRows
from headrace.data.splitting.hash_split import HashSplitConfig, by_hash
from headrace.errors import ConfigError, DataError
from headrace.paths import SPLITS


def official(
    rows: CleanRows, fractions: Sequence[float], counts: Sequence[int | None] | None, seed: int
) -> NDArray[np.int8]:
    """Indices into SPLITS: `[rows]`; splits that the source lacks are carved out of its training rows, by hash.

    A row that the source puts nowhere is for training, or for what is carved out. Raises DataError where no row is
    for training, ConfigError where the counts are not those of the splits that the source has.
    """
    given = rows.official.copy()
    if not (given == 0).any():
        raise DataError(
            "params.yaml: split.strategy: 'official', but no clean row is in an official 'train' split;"
            " choose 'stratified', or put rows below a folder 'train'"
        )
    lacking = ["train", *(split for index, split in enumerate(SPLITS) if not (given == index).any())]
    chosen = np.flatnonzero(given <= 0)
    wish = HashSplitConfig(
        lacking,
        [fractions[SPLITS.index(split)] for split in lacking],
        seed,
        is_stratified=bool(rows.classes),
        counts=[counts[SPLITS.index(split)] for split in lacking] if counts else None,
    )
    if counts:
        _check_counts(counts, given, lacking)
    given[chosen] = by_hash(rows, chosen, wish)
    return given


def _check_counts(counts: Sequence[int | None], given: NDArray[np.int8], lacking: Sequence[str]) -> None:
    for index, (split, count) in enumerate(zip(SPLITS, counts, strict=True)):
        num_rows = int((given == index).sum())
        if split not in lacking and count not in {None, num_rows}:
            raise ConfigError(
                f"params.yaml: split.counts: {count} rows for {split!r}, but the official one has {num_rows}; write"
                f" {num_rows} or null, or choose split.strategy: stratified"
            )


def leaking(rows: CleanRows, found: NDArray[np.int8]) -> NDArray[np.bool_]:
    """`[rows]`: train rows that are near-duplicates of rows of another split, or share a group with them."""
    is_tested = np.zeros(len(rows.units.sizes), bool)
    is_tested[rows.units.of_row[found > 0]] = True
    return np.asarray((found == 0) & is_tested[rows.units.of_row])
