"""Which row belongs to which split, as `data/split` has it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.storage.parquet import read_table


def row_ids_of(split_dir: Path, split: str) -> NDArray[np.bytes_]:
    """`[rows]` S32: the sorted ids of a split's rows."""
    table = read_table(split_dir, ["row_id", "split"])
    found = table.filter(pc.equal(table.column("split"), split)).column("row_id")
    return np.sort(ascii_ids(found))


def ascii_ids(row_ids: pa.Array | pa.ChunkedArray) -> NDArray[np.bytes_]:
    """`[rows]` S32: as NumPy sorts and compares them fast."""
    return np.array(row_ids.to_pylist(), "S32") if len(row_ids) else np.empty(0, "S32")


def is_in_split(row_ids: pa.Array, split_dir: Path, split: str) -> pa.Array:
    """`[rows]` booleans."""
    return pa.array(positions(ascii_ids(row_ids), _row_ids(str(split_dir), split, _changed_at(split_dir)))[1])


def positions(wanted: NDArray[np.bytes_], row_ids: NDArray[np.bytes_]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each of `wanted` stands among sorted ids, and whether it is there at all."""
    found = np.searchsorted(row_ids, wanted)
    # a row behind the last one is compared with an id that no row has
    return found, np.append(row_ids, b"")[found] == wanted


def _changed_at(split_dir: Path) -> int:
    return max(path.stat().st_mtime_ns for path in split_dir.glob("part-*.parquet"))


@lru_cache(maxsize=4)
def _row_ids(split_dir: str, split: str, changed_at: int) -> NDArray[np.bytes_]:  # noqa: ARG001 part of the key
    """Read once a process."""
    return row_ids_of(Path(split_dir), split)
