"""The clean rows, as far as splitting looks at them: ids, classes, official splits, and which belong together.

Rows of several labels are spread over the splits by their rarest one, of which there are the fewest to spread.
"""

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
from headrace.data.splitting.groups import Cluster, RowGroups, units
from headrace.errors import ConfigError, DataError, choices
from headrace.paths import SPLITS
from headrace.storage.label_codec import read_names
from headrace.storage.parquet import read_schema, read_table
from headrace.storage.split_index import ascii_ids, positions

CONTENT = ("row_id", "split", "image", "text", "original")
"""Columns that neither group nor date a row."""


@dataclass(frozen=True)
class CleanRows:
    """Sorted by row id, so that the order of the source does not matter."""

    row_ids: NDArray[np.bytes_]
    codes: NDArray[np.int32]
    """`[rows]`: classes; all 0 for regression; of several a row the rarest."""
    classes: list[str]
    official: NDArray[np.int8]
    """`[rows]`: indices into SPLITS; -1 where the source says nothing."""
    units: RowGroups
    columns: pa.Table

    def __len__(self) -> int:
        return len(self.row_ids)


def read_rows(clean_dir: Path, *, task: TaskName, group: str | None, time: str | None) -> CleanRows:
    """Reads the columns that splitting needs; raises ConfigError for a column that there is not."""
    _check_columns(clean_dir, group=group, time=time)
    wanted = ["row_id", "label", "split", *(name for name in (group, time) if name)]
    columns = read_table(clean_dir, list(dict.fromkeys(wanted))).combine_chunks()  # `take` is slow on many chunks
    row_ids = ascii_ids(columns.column("row_id"))
    order = np.argsort(row_ids, kind="stable")
    row_ids, columns = row_ids[order], columns.take(order)
    labels = columns.column("label")
    if task == "multilabel":
        labels = rarest(labels)
    classes = sorted(labels.unique().to_pylist()) if task != "regression" else []
    clusters: list[Cluster] = [*_groups(columns, group).items()]
    clusters += [(None, rows) for rows in _clusters(clean_dir, row_ids)]
    return CleanRows(
        row_ids,
        _indices(labels, classes).clip(min=0),
        classes,
        _indices(columns.column("split"), SPLITS).astype(np.int8),
        units(row_ids, clusters),
        columns,
    )


def _check_columns(clean_dir: Path, **wanted: str | None) -> None:
    known = [name for name in read_schema(clean_dir).names if name not in CONTENT]
    for key, name in wanted.items():
        if name and name not in known:
            raise ConfigError(f"params.yaml: split.{key}: {name!r} is no column of the rows; {choices(name, known)}")


def _indices(values: pa.ChunkedArray, names: Sequence[str]) -> NDArray[np.int32]:
    """`[rows]`: where each value stands among names; -1 where it does not."""
    found = pc.index_in(values.cast(pa.string()), value_set=pa.array(names, pa.string()))
    return np.asarray(pc.fill_null(found, -1).to_numpy(), np.int32)


def _groups(columns: pa.Table, group: str | None) -> dict[str, NDArray[np.intp]]:
    """Positions of the rows of each group, by its name; a row without one, or with a blank one, is in none."""
    if group is None:
        return {}
    encoded = columns.column(group).combine_chunks().dictionary_encode(null_encoding="encode")
    codes = encoded.indices.to_numpy()
    names = ["" if value is None else str(value).strip() for value in encoded.dictionary.to_pylist()]
    parts = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
    groups: dict[str, NDArray[np.intp]] = {}
    for name, rows in zip(names, parts, strict=False):  # no rows: no names, and yet one part
        if name:
            groups[name] = np.concatenate([groups[name], rows]) if name in groups else rows
    return groups


def _clusters(clean_dir: Path, row_ids: NDArray[np.bytes_]) -> list[list[int]]:
    """Positions of near-duplicates, as `clean` found them; raises DataError where its file is damaged."""
    path = clean_dir / "groups.parquet"
    if not path.is_file():
        return []
    try:
        found = pq.read_table(path).cast(pa.schema([("row_id", pa.string()), ("group", pa.string())]))
        wanted = ascii_ids(found.column("row_id"))
    except (pa.ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None):  # of the disk, not of the file's content
            raise
        raise DataError(
            f"{path}: no Parquet of near-duplicates ({str(error).splitlines()[0]}); run: dvc repro --force clean"
        ) from None
    places, is_there = positions(wanted, row_ids)
    clusters: dict[str, list[int]] = {}
    for group, row, is_known in zip(found.column("group").to_pylist(), places.tolist(), is_there.tolist(), strict=True):
        if is_known:
            clusters.setdefault(group, []).append(row)
    return list(clusters.values())


NONE = "(no label)"


def rarest(labels: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists of names as text -> the name that fewest rows have, NONE for an empty list; equals by the alphabet.

    As iterative stratification does (Sechidis et al. 2011, On the Stratification of Multi-Label Data, section 3.1),
    which deals out the rows of the rarest label first; but by hash, so that rows added later move no old ones.
    """
    of_rows = [read_names(label) for label in labels.to_pylist()]
    counts = Counter(name for names in of_rows for name in names)
    found = [min(names, key=lambda name: (counts[name], name)) if names else NONE for names in of_rows]
    return pa.chunked_array([pa.array(found, pa.string())])
