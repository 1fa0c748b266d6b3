"""Figures of a split: how many rows each part has, and how near its classes are to those of all rows."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.data.splitting.clean_rows import CleanRows
from headrace.errors import DataError
from headrace.paths import SPLITS

log = logging.getLogger(__name__)
MAX_NAMED = 5
"""Classes that a warning names."""


def figures(rows: CleanRows, found: NDArray[np.int8]) -> Metrics:
    """Rows of each split, rows in clusters, and how far a class's share in a split is from its share of all.

    `found`: `[rows]` indices into SPLITS; larger ones are rows that are not used. Raises DataError for a split
    without rows.
    """
    sizes: Metrics = {split: int((found == index).sum()) for index, split in enumerate(SPLITS)}
    empty = [split for split, size in sizes.items() if not size]
    if empty:
        in_units = "" if rows.units.is_single.all() else f" in {len(rows.units.sizes)} groups"
        raise DataError(
            f"data/clean: {len(rows)} rows{in_units} leave none for {empty[0]!r}; give more rows or groups, or another"
            " split.seed, split.fractions or split.counts"
        )
    counts = _counts(rows, found)
    overall = counts.sum(axis=1, keepdims=True) / counts.sum()
    deviation = float(np.abs(counts / counts.sum(axis=0) - overall).max())
    return {**sizes, "clustered_rows": int((~rows.units.is_single).sum()), "largest_share_difference": deviation}


def warn_of_gaps(rows: CleanRows, found: NDArray[np.int8]) -> None:
    """Tells which classes a split is without."""
    for split, sizes in zip(SPLITS, _counts(rows, found).T, strict=True):
        lacking = [rows.classes[code] for code in np.flatnonzero(sizes == 0).tolist()] if rows.classes else []
        if lacking:
            named = ", ".join(map(repr, lacking[:MAX_NAMED])) + (", ..." if len(lacking) > MAX_NAMED else "")
            log.warning("split %r has no row of %d of %d classes: %s", split, len(lacking), len(rows.classes), named)


def _counts(rows: CleanRows, found: NDArray[np.int8]) -> NDArray[np.int64]:
    """Rows by class and split: `[classes, splits]`."""
    is_used = found < len(SPLITS)
    num_classes = max(1, len(rows.classes))
    flat = np.bincount(
        rows.codes[is_used].astype(np.int64) * len(SPLITS) + found[is_used], minlength=num_classes * len(SPLITS)
    )
    return flat.reshape(num_classes, len(SPLITS))
