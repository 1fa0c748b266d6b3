"""Splits of small sets: the rows of each class fill the fractions to the row, in the order of their positions.

By positions alone a split of few rows has rather more or fewer than its share: of 1,000 rows, 15 % become 13 to 17 %,
and the share of a class in it differs by up to 5 points from that in all rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.data.splitting.row_hash import compute_interval_ends, cut_in_order


def assign_exactly(
    hashes: NDArray[np.float64], group_of_row: NDArray[np.int64], codes: NDArray[np.int32], fractions: Sequence[float]
) -> NDArray[np.int8]:
    """Returns the index of the split of each row: `[rows]`.

    Groups of several rows come first, cut where their number of rows is closest to the fractions. The rows of each
    class outside of them then fill what its part of each split lacks.

    Args:
        hashes: `[groups]`: positions in [0, 1).
        group_of_row: `[rows]`: indices into `hashes`.
        codes: `[rows]`: classes.
        fractions: of all rows, by split.
    """
    sizes = np.bincount(group_of_row, minlength=len(hashes))
    order, is_single = np.argsort(hashes, kind="stable"), sizes[group_of_row] == 1
    several = order[sizes[order] > 1]
    ends = np.array(compute_interval_ends(fractions))
    is_needed = np.full(len(ends), is_single.sum() < len(ends))
    split_of_group = np.zeros(len(hashes), np.int8)
    split_of_group[several] = cut_in_order(sizes[several], ends * sizes[several].sum(), is_needed)
    assigned = split_of_group[group_of_row]
    for code in np.unique(codes).tolist():
        is_in_class = codes == code
        singles = np.flatnonzero(is_in_class & is_single)
        singles = singles[np.argsort(hashes[group_of_row[singles]], kind="stable")]
        in_groups = np.bincount(assigned[is_in_class & ~is_single], minlength=len(ends))
        wanted = np.diff(np.rint(ends * is_in_class.sum()), prepend=0.0)
        lacking = np.cumsum(np.maximum(wanted - in_groups, 0.0))
        single_ends = lacking * (len(singles) / max(lacking[-1], 1.0))
        assigned[singles] = cut_in_order(np.ones(len(singles), np.int64), single_ends, in_groups == 0)
    return assigned
