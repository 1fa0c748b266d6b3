"""Row groups: rows that no split may separate, because they share a group or are near-duplicates of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Cluster = tuple[str | None, "Sequence[int] | NDArray[np.intp]"]
"""The name of a group, or None for near-duplicates; and the positions of its rows, at least one."""


@dataclass(frozen=True)
class RowGroups:
    """Rows by group; a row that belongs to no cluster is a group of its own."""

    group_of_row: NDArray[np.int64]
    """`[rows]`: index of the row's group."""
    keys: list[bytes]
    """By group: the row id or group name that its position is hashed from."""
    sizes: NDArray[np.int64]
    """`[groups]`: rows."""

    @property
    def is_single(self) -> NDArray[np.bool_]:
        """`[rows]`: whether a row is a group of its own."""
        return np.asarray(self.sizes[self.group_of_row] == 1)


def build_row_groups(row_ids: NDArray[np.bytes_], clusters: Sequence[Cluster]) -> RowGroups:
    """Joins clusters that share rows, however long the chain.

    Args:
        row_ids: `[rows]`, sorted.
        clusters: rows that belong together.

    The key is the alphabetically first name of the joined groups, so that a new row of a group goes where the group is.
    Near-duplicates without a group take their smallest row id, which new rows rarely change.
    """
    _, first_rows, group_of_row, sizes = np.unique(
        _components([rows for _, rows in clusters], len(row_ids)),
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    keys: list[bytes] = row_ids[first_rows].tolist()
    named_rows = {name: rows[0] for name, rows in clusters if name is not None}
    for name in sorted(named_rows, reverse=True):  # the first name is written last
        keys[group_of_row[named_rows[name]]] = b"group:" + name.encode()
    return RowGroups(group_of_row.astype(np.int64), keys, sizes.astype(np.int64))


def _components(clusters: Sequence[Sequence[int] | NDArray[np.intp]], num_rows: int) -> NDArray[np.int64]:
    """`[rows]`: equal where a chain of clusters connects two rows."""
    if not clusters:
        return np.arange(num_rows)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first_rows = np.repeat([rows[0] for rows in clusters], [len(rows) for rows in clusters])
    rows = np.concatenate([np.asarray(rows) for rows in clusters])
    edges = coo_array((np.ones(len(rows), bool), (first_rows, rows)), shape=(num_rows, num_rows))
    components: NDArray[np.int64] = connected_components(edges, directed=False)[1]
    return components
