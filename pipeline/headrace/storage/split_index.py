"""Row ids by split, from `data/split`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.errors import DataError
from headrace.storage.parquet import read_shards, read_table


def read_row_ids(split_dir: Path, split: str) -> NDArray[np.bytes_]:
    """Reads the sorted ids of a split's rows: `[rows]` S32."""
    table = read_table(split_dir, ["row_id", "split"])
    row_ids = table.filter(pc.equal(table.column("split"), split)).column("row_id")
    return np.sort(to_ascii_ids(row_ids))


def read_rows(folder: Path, row_ids: NDArray[np.bytes_], columns: Sequence[str]) -> pa.Table:
    """Reads columns of the rows with these ids (sorted) from a folder's shards, in the order of the ids.

    Raises DataError if a row is missing.
    """
    parts, places = [], []
    for batch in read_shards(folder, ["row_id", *columns]):
        found, is_wanted = find_positions(to_ascii_ids(batch.column("row_id")), row_ids)
        parts.append(batch.filter(pa.array(is_wanted)))
        places.append(found[is_wanted])
    order = np.argsort(np.concatenate([np.empty(0, np.intp), *places]))
    if len(order) != len(row_ids):
        raise DataError(f"{folder}: has {len(order)} of {len(row_ids)} rows of a split; run: dvc repro")
    return pa.Table.from_batches(parts).select(list(columns)).take(pa.array(order))


def to_ascii_ids(row_ids: pa.Array | pa.ChunkedArray) -> NDArray[np.bytes_]:
    """Converts ids to `[rows]` S32, which NumPy sorts and compares fast."""
    return np.array(row_ids.to_pylist(), "S32") if len(row_ids) else np.empty(0, "S32")


def is_in_split(row_ids: pa.Array, split_dir: Path, split: str) -> pa.Array:
    """Whether each row is in a split: `[rows]` booleans."""
    return pa.array(
        find_positions(to_ascii_ids(row_ids), _load_row_ids(str(split_dir), split, _changed_at(split_dir)))[1]
    )


def find_positions(
    wanted: NDArray[np.bytes_], row_ids: NDArray[np.bytes_]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Returns the position of each wanted id among sorted ids, and whether it is present."""
    places = np.searchsorted(row_ids, wanted)
    # positions after the last id are compared with an id that no row has
    return places, np.append(row_ids, b"")[places] == wanted


def _changed_at(split_dir: Path) -> int:
    return max(path.stat().st_mtime_ns for path in split_dir.glob("part-*.parquet"))


@lru_cache(maxsize=4)
def _load_row_ids(split_dir: str, split: str, changed_at: int) -> NDArray[np.bytes_]:  # noqa: ARG001 - part of the cache key
    return read_row_ids(Path(split_dir), split)
