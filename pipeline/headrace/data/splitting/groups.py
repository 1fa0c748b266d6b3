"""Units: rows that no split may part, because they share a group or are near-duplicates of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Cluster = tuple[str | None, "Sequence[int] | NDArray[np.intp]"]
"""The name of a group, or None for near-duplicates of each other; and the positions of its rows, at least one."""


@dataclass(frozen=True)
class RowGroups:
    """Rows by unit; a row that belongs to no cluster is a unit of its own."""

    of_row: NDArray[np.int64]
    """`[rows]`: index of the row's unit."""
    keys: list[bytes]
    """By unit: what its place is drawn from: a row's id, or the name of a group."""
    sizes: NDArray[np.int64]
    """`[units]`: rows."""

    @property
    def is_single(self) -> NDArray[np.bool_]:
        """`[rows]`: whether a row is a unit of its own."""
        return np.asarray(self.sizes[self.of_row] == 1)


def units(row_ids: NDArray[np.bytes_], clusters: Sequence[Cluster]) -> RowGroups:
    """Unites near-duplicates and rows of a group, however long the chain.

    Args:
        row_ids: `[rows]`, sorted.
        clusters: what belongs together; a row that is in none is a unit of its own.

    A unit is placed by the first name of its groups, so that rows that join a group go where the group is; a
    cluster without a group by its smallest row id, which rows that join it later seldom change.
    """
    _, firsts, of_row, sizes = np.unique(
        _components([rows for _, rows in clusters], len(row_ids)),
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    keys: list[bytes] = row_ids[firsts].tolist()
    named = {name: rows[0] for name, rows in clusters if name is not None}
    for name in sorted(named, reverse=True):  # the first name is written last
        keys[of_row[named[name]]] = b"group:" + name.encode()
    return RowGroups(of_row.astype(np.int64), keys, sizes.astype(np.int64))


def _components(together: Sequence[Sequence[int] | NDArray[np.intp]], num_rows: int) -> NDArray[np.int64]:
    """`[rows]`: equal where a chain of lists joins two rows."""
    if not together:
        return np.arange(num_rows)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    firsts = np.repeat([rows[0] for rows in together], [len(rows) for rows in together])
    others = np.concatenate([np.asarray(rows) for rows in together])
    edges = coo_array((np.ones(len(firsts), bool), (firsts, others)), shape=(num_rows, num_rows))
    found: NDArray[np.int64] = connected_components(edges, directed=False)[1]
    return found
