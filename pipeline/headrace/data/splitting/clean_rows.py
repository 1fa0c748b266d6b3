"""The clean rows without their content: ids, classes, official splits, and which rows belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.contracts import TaskName
from headrace.data.splitting.groups import Cluster, RowGroups, build_row_groups
from headrace.errors import ConfigError, DataError, choices
from headrace.paths import SPLITS
from headrace.storage.column_names import to_source_name
from headrace.storage.label_codec import decode_names
from headrace.storage.parquet import read_schema, read_table
from headrace.storage.split_index import find_positions, to_ascii_ids

CONTENT_COLUMNS = {"row_id", "split", "source", "image", "text", "original"}
"""Columns that are neither a group nor a time."""
NO_LABEL = "(no label)"


@dataclass(frozen=True)
class CleanRows:
    """Sorted by row id, so that the order of the source does not matter."""

    row_ids: NDArray[np.bytes_]
    codes: NDArray[np.int32]
    """`[rows]`: classes; multilabel: the rarest one; regression: all 0."""
    classes: list[str]
    official: NDArray[np.int8]
    """`[rows]`: indices into SPLITS; -1 where the source has no split."""
    groups: RowGroups
    times: pa.ChunkedArray | None
    """`[rows]`: the column `split.time`; None without one."""

    def __len__(self) -> int:
        return len(self.row_ids)


def read_clean_rows(clean_dir: Path, *, task: TaskName, group: str | None, time: str | None) -> CleanRows:
    """Reads the columns that splitting needs; raises ConfigError for a column that does not exist."""
    group, time = (_find_column(clean_dir, key, name) for key, name in (("group", group), ("time", time)))
    names = ["row_id", "label", "split", *(name for name in (group, time) if name)]
    columns = read_table(clean_dir, list(dict.fromkeys(names))).combine_chunks()  # `take` is slow on many chunks
    row_ids = to_ascii_ids(columns.column("row_id"))
    order = np.argsort(row_ids, kind="stable")
    row_ids, columns = row_ids[order], columns.take(order)
    labels = columns.column("label")
    if task == "multilabel":
        labels = pick_rarest_label(labels)
    classes = sorted(labels.unique().to_pylist()) if task != "regression" else []
    clusters: list[Cluster] = [*_groups(columns, group).items()]
    clusters += [(None, rows) for rows in _near_duplicates(clean_dir, row_ids)]
    return CleanRows(
        row_ids,
        _indices(labels, classes).clip(min=0),
        classes,
        _indices(columns.column("split"), SPLITS).astype(np.int8),
        build_row_groups(row_ids, clusters),
        columns.column(time) if time else None,
    )


def pick_rarest_label(labels: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists of names as text -> the name that fewest rows have, NO_LABEL for an empty list; ties go by the alphabet.

    Iterative stratification does the same (Sechidis et al. 2011, On the Stratification of Multi-Label Data, section
    3.1): it distributes the rows of the rarest label first. Here a hash decides, so that new rows move no old ones.
    """
    names_by_row = [decode_names(label) for label in labels.to_pylist()]
    counts = Counter(name for names in names_by_row for name in names)
    rarest = [min(names, key=lambda name: (counts[name], name)) if names else NO_LABEL for names in names_by_row]
    return pa.chunked_array([pa.array(rarest, pa.string())])


def _find_column(clean_dir: Path, key: str, name: str | None) -> str | None:
    """The stored name of a column that a setting names: one of the source's, or a label or path that we added."""
    if name is None:
        return None
    names: list[str] = read_schema(clean_dir).names
    stored = {to_source_name(each): each for each in names if each not in CONTENT_COLUMNS}
    if name not in stored:
        raise ConfigError(f"params.yaml: split.{key}: {name!r} is not a column of the rows; {choices(name, stored)}")
    return stored[name]


def _indices(values: pa.ChunkedArray, names: Sequence[str]) -> NDArray[np.int32]:
    """`[rows]`: index of each value in `names`; -1 where it is missing."""
    indices = pc.index_in(values.cast(pa.string()), value_set=pa.array(names, pa.string()))
    return np.asarray(pc.fill_null(indices, -1).to_numpy(), np.int32)


def _groups(columns: pa.Table, group: str | None) -> dict[str, NDArray[np.intp]]:
    """Name -> positions of the rows of each group; a row whose group is missing or blank is in none."""
    if group is None:
        return {}
    encoded = columns.column(group).combine_chunks().dictionary_encode(null_encoding="encode")
    codes = encoded.indices.to_numpy()
    names = ["" if value is None else str(value).strip() for value in encoded.dictionary.to_pylist()]
    rows_by_code = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
    groups: dict[str, NDArray[np.intp]] = {}
    for name, rows in zip(names, rows_by_code, strict=False):  # without rows: no names, but one part
        if name:
            groups[name] = np.concatenate([groups[name], rows]) if name in groups else rows
    return groups


def _near_duplicates(clean_dir: Path, row_ids: NDArray[np.bytes_]) -> list[list[int]]:
    """Positions of the clusters that `clean` found; raises DataError where its file is damaged."""
    path = clean_dir / "groups.parquet"
    if not path.is_file():
        return []
    try:
        table = pq.read_table(path).cast(pa.schema([("row_id", pa.string()), ("group", pa.string())]))
        members = to_ascii_ids(table.column("row_id"))
    except (pa.ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None):  # an error of the disk, not of the file's content
            raise
        raise DataError(
            f"{path}: not a valid Parquet file of near-duplicates ({str(error).splitlines()[0]}); run: dvc repro"
            " --force clean"
        ) from None
    places, is_row = find_positions(members, row_ids)
    clusters: dict[str, list[int]] = {}
    for group, row, is_known in zip(table.column("group").to_pylist(), places.tolist(), is_row.tolist(), strict=True):
        if is_known:
            clusters.setdefault(group, []).append(row)
    return list(clusters.values())
