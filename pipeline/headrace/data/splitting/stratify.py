"""Stratification: where a split has no row of a class, the row whose position is nearest moves there."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.data.splitting.row_hash import compute_interval_ends

log = logging.getLogger(__name__)


def fill_class_gaps(
    assigned: NDArray[np.int8],
    hashes: NDArray[np.float64],
    codes: NDArray[np.int32],
    *,
    is_single: NDArray[np.bool_],
    fractions: Sequence[float],
    names: tuple[Sequence[str], Sequence[str]],
) -> None:
    """Moves rows in `assigned` `[rows]` (index of the split), in place.

    Rows are in the order of their ids, which breaks ties. `codes`: classes; `is_single`: rows that may move, since they
    belong to no cluster; `names`: of the splits and of the classes.
    """
    num_splits = len(fractions)
    counts = np.bincount(codes * num_splits + assigned, minlength=num_splits * len(names[1])).reshape(-1, num_splits)
    order, ends = np.argsort(codes, kind="stable"), np.cumsum(counts.sum(axis=1))
    for code in np.flatnonzero((counts == 0).any(axis=1) & counts.any(axis=1)).tolist():
        rows = order[ends[code] - counts[code].sum() : ends[code]]
        _fill_class(rows, assigned, hashes, is_single=is_single, fractions=fractions, names=(names[0], names[1][code]))


def _fill_class(
    rows: NDArray[np.intp],
    assigned: NDArray[np.int8],
    hashes: NDArray[np.float64],
    *,
    is_single: NDArray[np.bool_],
    fractions: Sequence[float],
    names: tuple[Sequence[str], str],
) -> None:
    ends = compute_interval_ends(fractions)
    for split, (low, high) in enumerate(zip([0.0, *ends[:-1]], ends, strict=True)):
        sizes = np.bincount(assigned[rows], minlength=len(fractions))
        if sizes[split]:
            continue
        movable = rows[(sizes[assigned[rows]] > 1) & is_single[rows]]
        if not len(movable):
            outside = "" if is_single[rows].all() else " outside of groups"
            num_rows = int(is_single[rows].sum())
            log.warning(
                "class %r has too few rows%s (%d) to be in split %r too", names[1], outside, num_rows, names[0][split]
            )
            continue
        distance = np.maximum(np.maximum(low - hashes[movable], hashes[movable] - high), 0.0)
        assigned[movable[int(np.argmin(distance))]] = split
