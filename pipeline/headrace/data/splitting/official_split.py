"""Official splits: those of the source, completed by hash where one is missing; and leaks between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.data.splitting.clean_rows import CleanRows
from headrace.data.splitting.hash_split import HashSplitConfig, split_by_hash
from headrace.errors import ConfigError, DataError
from headrace.paths import SPLITS


def split_officially(
    rows: CleanRows, fractions: Sequence[float], counts: Sequence[int | None] | None, *, seed: int, exact_below: int = 0
) -> NDArray[np.int8]:
    """Returns indices into SPLITS: `[rows]`; splits that the source does not have are taken from its training rows.

    A row without an official split counts as a training row. Raises DataError where there is no training row,
    ConfigError where the counts contradict the official splits.
    """
    assigned = rows.official.copy()
    if not (assigned == 0).any():
        raise DataError(
            "params.yaml: split.strategy: 'official', but no clean row is in an official 'train' split;"
            " choose 'stratified', or put rows below a folder 'train'"
        )
    missing = ["train", *(split for index, split in enumerate(SPLITS) if not (assigned == index).any())]
    chosen = np.flatnonzero(assigned <= 0)
    config = HashSplitConfig(
        missing,
        [fractions[SPLITS.index(split)] for split in missing],
        seed,
        is_stratified=bool(rows.classes),
        counts=[counts[SPLITS.index(split)] for split in missing] if counts else None,
        exact_below=exact_below,
    )
    if counts:
        _check_counts(counts, assigned, missing)
    assigned[chosen] = split_by_hash(rows, chosen, config)
    return assigned


def find_leaking_rows(rows: CleanRows, assigned: NDArray[np.int8]) -> NDArray[np.bool_]:
    """`[rows]`: train rows that are near-duplicates of rows of another split, or share a group with them."""
    is_evaluated = np.zeros(len(rows.groups.sizes), bool)
    is_evaluated[rows.groups.group_of_row[assigned > 0]] = True
    return np.asarray((assigned == 0) & is_evaluated[rows.groups.group_of_row])


def _check_counts(counts: Sequence[int | None], official: NDArray[np.int8], missing: Sequence[str]) -> None:
    for index, (split, count) in enumerate(zip(SPLITS, counts, strict=True)):
        num_rows = int((official == index).sum())
        if split not in missing and count not in {None, num_rows}:
            raise ConfigError(
                f"params.yaml: split.counts: {count} rows for {split!r}, but the official one has {num_rows}; write"
                f" {num_rows} or null, or choose split.strategy: stratified"
            )
