"""Raw rows of a table: ids, labels and splits beside the source's columns, all as text.

Ids of a table's rows: of their content, so that they stay the same wherever a row stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.contracts import TaskName
from headrace.data.table.reading.files import SPLITS
from headrace.data.table.reading.labels import label_cells, without_dots
from headrace.errors import DataError

ROWS_PER_BATCH = 1024
OURS = ("row_id", "label", "split", "image", "text", "path", "original", "check", "reason")
"""Columns that rows have, or get, from us: a source's column of such a name gets a `_` at its end."""


class RowLayout(NamedTuple):
    """How the source's columns become those of raw rows."""

    targets: list[str]
    split_column: str | None
    missing: list[str]
    dotted: dict[str | None, list[str]]
    """Labels of the train rows by splits whose labels end in a full stop instead."""
    task: TaskName = "classification"
    label_separator: str | None = None


def renamed(names: Iterable[str]) -> dict[str, str]:
    """The names in raw rows of a source's columns."""
    taken = {*OURS, *names}
    made = {}
    for name in names:
        new = name
        while new in OURS or (new != name and new in taken):
            new += "_"
        made[name] = new
        taken.add(new)
    return made


def raw_schema(names: Iterable[str], shape: RowLayout) -> pa.Schema:
    """Of the rows that `raw_batches` yields."""
    own = [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("split", pa.string()),
    ]
    others = [new for name, new in renamed(names).items() if name not in (*shape.targets, shape.split_column)]
    return pa.schema([*own, *(pa.field(name, pa.string()) for name in others)])


def stripped_cells(batch: pa.RecordBatch, names: list[str], missing: list[str]) -> list[pa.Array]:
    """The columns without blanks around cells, null where a cell means that there is no value."""
    nothing = pa.array(missing, pa.string())
    cells = []
    for name in names:
        column = pc.utf8_trim_whitespace(batch.column(name))
        is_missing = pc.is_in(column, value_set=nothing)
        cells.append(pc.if_else(is_missing, pa.scalar(None, pa.string()), column) if is_missing.true_count else column)
    return cells


def raw_batches(
    parts: Iterable[tuple[str | None, Iterator[pa.RecordBatch]]], names: list[str], shape: RowLayout
) -> Iterator[pa.RecordBatch]:
    """Raw rows of files, each with its official split, of at most ROWS_PER_BATCH each."""
    schema, ids = raw_schema(names, shape), RowIds()
    for split, batches in parts:
        for batch in batches:
            cells = stripped_cells(batch, names, shape.missing)
            by_name = dict(zip(names, cells, strict=True))
            targets = {name: by_name.pop(name) for name in shape.targets}
            labels = label_cells(targets, shape.task, shape.label_separator)
            if split in shape.dotted:
                labels = without_dots(labels, shape.dotted[split])
            if shape.split_column is None:
                splits = pa.array([split] * len(labels), pa.string())
            else:
                splits = _splits(by_name.pop(shape.split_column), shape.split_column)
            made = pa.record_batch([ids.of(cells), labels, splits, *by_name.values()], schema=schema)
            for start in range(0, made.num_rows, ROWS_PER_BATCH):
                yield made.slice(start, ROWS_PER_BATCH)


def _splits(column: pa.Array, name: str) -> pa.Array:
    """Official splits by a column; raises DataError for a value that tells none."""
    lower = pc.utf8_lower(column)
    unknown = sorted(set(lower.unique().to_pylist()) - {None, *SPLITS})
    if unknown:
        raise DataError(
            f"params.yaml: ingest.split_column: column {name!r} holds {unknown[0]!r}; must hold one of"
            f" {list(SPLITS)} or nothing; mend that column, or set null"
        )
    places = pc.index_in(lower, value_set=pa.array(list(SPLITS), pa.string()))
    return pa.array(list(SPLITS.values()), pa.string()).take(places)


BETWEEN, MISSING = b"\x1f", b"\x00"
ID_CHARS = 32


class RowIds:
    """Gives ids to batch after batch; repeats of a row are counted, in 8 bytes a row."""

    def __init__(self) -> None:
        self._seen: list[NDArray[np.uint64]] = []
        """Sorted; each more than twice as long as the next, so that there are few."""
        self._repeats: dict[int, int] = {}

    def of(self, cells: list[pa.Array]) -> pa.Array:
        """32 hex characters a row, from all of its cells in the source's order."""
        as_bytes = [column.cast(pa.binary()) for column in cells]
        joined = pc.binary_join_element_wise(
            *as_bytes, BETWEEN, null_handling="replace", null_replacement=MISSING
        ).to_pylist()
        digests = [blake2b(content, digest_size=16).digest() for content in joined]
        keys = np.frombuffer(b"".join(digests), "<u8")[::2]
        for row, occurrence in self._occurrences(keys):
            digests[row] = blake2b(joined[row] + b"#%d" % occurrence, digest_size=16).digest()
        ends = np.arange(len(digests) + 1, dtype=np.int32) * ID_CHARS
        text = b"".join(digests).hex().encode()
        return pa.StringArray.from_buffers(len(digests), pa.py_buffer(ends), pa.py_buffer(text))

    def _occurrences(self, keys: NDArray[np.uint64]) -> list[tuple[int, int]]:
        """The rows that came before, each with how often."""
        is_repeat = np.ones(len(keys), np.bool_)
        is_repeat[np.unique(keys, return_index=True)[1]] = False
        for seen in self._seen:
            is_repeat |= seen[np.minimum(np.searchsorted(seen, keys), len(seen) - 1)] == keys
        found = []
        for row in np.flatnonzero(is_repeat).tolist():
            key = int(keys[row])
            self._repeats[key] = self._repeats.get(key, 0) + 1
            found.append((row, self._repeats[key]))
        self._remember(np.unique(keys[~is_repeat]))
        return found

    def _remember(self, keys: NDArray[np.uint64]) -> None:

        if len(keys):
            self._seen.append(keys)
        while len(self._seen) > 1 and len(self._seen[-2]) <= 2 * len(self._seen[-1]):
            last: Any = self._seen.pop()
            self._seen[-1] = np.sort(np.concatenate([self._seen[-1], last]))
