"""Metrics of a split: the rows of each part, and how close its class fractions are to those of all rows."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.data.splitting.clean_rows import CleanRows
from headrace.errors import DataError
from headrace.paths import SPLITS

log = logging.getLogger(__name__)
MAX_CLASSES_NAMED = 5


def compute_split_metrics(rows: CleanRows, assigned: NDArray[np.int8]) -> Metrics:
    """Counts the rows of each split and of clusters, and compares class fractions with those of all rows.

    `assigned`: `[rows]` indices into SPLITS; larger ones are rows that are not used. Raises DataError for a split
    without rows.
    """
    sizes: Metrics = {split: int((assigned == index).sum()) for index, split in enumerate(SPLITS)}
    empty = [split for split, size in sizes.items() if not size]
    if empty:
        in_groups = "" if rows.groups.is_single.all() else f" in {len(rows.groups.sizes)} groups"
        raise DataError(
            f"data/clean: {len(rows)} rows{in_groups} leave none for {empty[0]!r}; give more rows or groups, or another"
            " split.seed, split.fractions or split.counts"
        )
    counts = _counts(rows, assigned)
    overall = counts.sum(axis=1, keepdims=True) / counts.sum()
    deviation = float(np.abs(counts / counts.sum(axis=0) - overall).max())
    return {**sizes, "clustered_rows": int((~rows.groups.is_single).sum()), "largest_share_difference": deviation}


def warn_about_missing_classes(rows: CleanRows, assigned: NDArray[np.int8]) -> None:
    """Logs the classes that a split does not contain."""
    if not rows.classes:
        return
    for split, sizes in zip(SPLITS, _counts(rows, assigned).T, strict=True):
        missing = [rows.classes[code] for code in np.flatnonzero(sizes == 0).tolist()]
        if missing:
            names = ", ".join(map(repr, missing[:MAX_CLASSES_NAMED])) + ", ..." * (len(missing) > MAX_CLASSES_NAMED)
            log.warning("split %r has no row of %d of %d classes: %s", split, len(missing), len(rows.classes), names)


def _counts(rows: CleanRows, assigned: NDArray[np.int8]) -> NDArray[np.int64]:
    """Rows by class and split: `[classes, splits]`."""
    is_used = assigned < len(SPLITS)
    num_classes = max(1, len(rows.classes))
    flat = np.bincount(
        rows.codes[is_used].astype(np.int64) * len(SPLITS) + assigned[is_used], minlength=num_classes * len(SPLITS)
    )
    return flat.reshape(num_classes, len(SPLITS))
