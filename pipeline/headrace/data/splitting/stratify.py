"""Every class in every split: of a class that a split lacks, the row that lies nearest to it moves there."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.data.splitting.row_hash import interval_ends

log = logging.getLogger(__name__)


def fill_gaps(
    found: NDArray[np.int8],
    where: NDArray[np.float64],
    codes: NDArray[np.int32],
    *,
    is_single: NDArray[np.bool_],
    shares: Sequence[float],
    names: tuple[Sequence[str], Sequence[str]],
) -> None:
    """Moves rows in `found` `[rows]` (split by index), in place.

    Rows are in the order of their ids, which decides between equals. `codes`: classes; `is_single`: rows that may
    move, since they belong to no cluster; `names`: of the splits and of the classes.
    """
    num_splits = len(shares)
    counts = np.bincount(codes * num_splits + found, minlength=num_splits * len(names[1])).reshape(-1, num_splits)
    order, ends = np.argsort(codes, kind="stable"), np.cumsum(counts.sum(axis=1))
    for code in np.flatnonzero((counts == 0).any(axis=1) & counts.any(axis=1)).tolist():
        own = order[ends[code] - counts[code].sum() : ends[code]]
        _fill_class(own, found, where, is_single=is_single, shares=shares, names=(names[0], names[1][code]))


def _fill_class(
    own: NDArray[np.intp],
    found: NDArray[np.int8],
    where: NDArray[np.float64],
    *,
    is_single: NDArray[np.bool_],
    shares: Sequence[float],
    names: tuple[Sequence[str], str],
) -> None:

    ends = interval_ends(shares)
    for split, (low, high) in enumerate(zip([0.0, *ends[:-1]], ends, strict=True)):
        sizes = np.bincount(found[own], minlength=len(shares))
        if sizes[split]:
            continue
        spare = own[(sizes[found[own]] > 1) & is_single[own]]
        if not len(spare):
            of_what = "" if is_single[own].all() else " outside of groups"
            num_rows = int(is_single[own].sum())
            log.warning(
                "class %r has too few rows%s (%d) to be in split %r too", names[1], of_what, num_rows, names[0][split]
            )
            continue
        distance = np.maximum(np.maximum(low - where[spare], where[spare] - high), 0.0)
        found[spare[int(np.argmin(distance))]] = split
