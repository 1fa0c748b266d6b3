"""Builds raw rows: row ids, labels and splits next to the source's columns, all as text.

Ids are hashes of a row's content, so they do not depend on its position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.contracts import TaskName
from headrace.data.sources.row_source import SOURCE, Numbering, format_sources
from headrace.data.table.reading.columns.guess import ColumnGuess, to_plain_labels
from headrace.data.table.reading.labels import build_labels, remove_trailing_dots
from headrace.data.table.reading.table_file import FileRows
from headrace.errors import DataError
from headrace.paths import SPLIT_ALIASES
from headrace.storage.column_names import to_stored_name

ROWS_PER_BATCH = 1024
SEPARATOR, MISSING_CELL = b"\x1f", b"\x00"
ID_CHARS = 32


class ShardRows(NamedTuple):
    """The rows of one file of a table."""

    name: str
    """For the column `source`."""
    split: str | None
    """The official split, if the file stands for one."""
    numbering: Numbering
    batches: Iterator[FileRows]


class RowLayout(NamedTuple):
    """How the source's columns become those of raw rows."""

    targets: list[str]
    split_column: str | None
    missing: list[str]
    dotted: dict[str | None, list[str]]
    """For splits whose labels end in a full stop: the labels of the train rows, which do not."""
    task: TaskName = "classification"
    label_separator: str | None = None
    target_missing: list[str] | None = None
    """Cells of the target that stand for a missing value; None: `missing`."""
    numeric_targets: Mapping[str, ColumnGuess] = {}
    """Targets of a regression that are not in plain notation: their labels are."""
    has_images: bool = False
    """Whether the rows have the columns `image`, of encoded images, and `path`."""


def build_raw_schema(names: Iterable[str], layout: RowLayout) -> pa.Schema:
    """The schema of the rows that `build_raw_batches` yields."""
    added = [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("split", pa.string()),
        pa.field(SOURCE, pa.string()),
    ]
    used = (*layout.targets, layout.split_column)
    others = [to_stored_name(name) for name in names if name not in used]
    images = [pa.field("image", pa.binary()), pa.field("path", pa.string())] if layout.has_images else []
    return pa.schema([*added, *(pa.field(name, pa.string()) for name in others), *images])


def normalize_cells(
    batch: pa.RecordBatch, names: list[str], missing: list[str], others: Mapping[str, list[str]] = MappingProxyType({})
) -> list[pa.Array]:
    """The columns without whitespace around cells; null where a cell is one of `missing`, or of `others` by name."""
    missing_values = pa.array(missing, pa.string())
    columns = []
    for name in names:
        column = pc.utf8_trim_whitespace(batch.column(name))
        value_set = pa.array(others[name], pa.string()) if name in others else missing_values
        is_missing = pc.is_in(column, value_set=value_set)
        columns.append(pc.if_else(is_missing, None, column) if is_missing.true_count else column)
    return columns


def build_raw_batches(
    files: Iterable[ShardRows],
    names: list[str],
    layout: RowLayout,
    observe: Callable[[pa.RecordBatch], None] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Raw rows of files, in batches of at most ROWS_PER_BATCH; `observe` is called with larger ones."""
    schema, ids = build_raw_schema(names, layout), RowIds()
    target_missing = {} if layout.target_missing is None else dict.fromkeys(layout.targets, layout.target_missing)
    for name, split, numbering, batches in files:
        for batch, numbers, images in batches:
            cells = normalize_cells(batch, names, layout.missing, target_missing)
            by_name = dict(zip(names, cells, strict=True))
            targets = {name: by_name.pop(name) for name in layout.targets}
            for target, guess in layout.numeric_targets.items():
                targets[target] = to_plain_labels(targets[target], guess)
            labels = build_labels(targets, layout.task, layout.label_separator)
            if split in layout.dotted:
                labels = remove_trailing_dots(labels, layout.dotted[split])
            if layout.split_column is None:
                splits = pa.array([split] * len(labels), pa.string())
            else:
                splits = _parse_splits(by_name.pop(layout.split_column), layout.split_column)
            sources = format_sources(name, numbers, numbering)
            columns = [ids.assign(cells), labels, splits, sources, *by_name.values()]
            if layout.has_images and images is not None:
                columns += [images.field("bytes"), images.field("path")]
            rows = pa.record_batch(columns, schema=schema)
            if observe:
                observe(rows)
            for start in range(0, rows.num_rows, ROWS_PER_BATCH):
                yield rows.slice(start, ROWS_PER_BATCH)


class RowIds:
    """Assigns ids to successive batches; counts repeated rows, in 8 bytes per distinct row."""

    def __init__(self) -> None:
        self._seen: list[NDArray[np.uint64]] = []
        """Sorted arrays, each more than twice as long as the next, so that there are few."""
        self._repeats: dict[int, int] = {}

    def assign(self, cells: list[pa.Array]) -> pa.Array:
        """32 hex characters per row, computed from all of its cells in the source's order."""
        as_bytes = [column.cast(pa.binary()) for column in cells]
        joined = pc.binary_join_element_wise(
            *as_bytes, SEPARATOR, null_handling="replace", null_replacement=MISSING_CELL
        ).to_pylist()
        digests = [blake2b(content, digest_size=16).digest() for content in joined]
        keys = np.frombuffer(b"".join(digests), "<u8")[::2]
        for row, num_earlier in self._count_repeats(keys):
            digests[row] = blake2b(joined[row] + b"#%d" % num_earlier, digest_size=16).digest()
        ends = np.arange(len(digests) + 1, dtype=np.int32) * ID_CHARS
        text = b"".join(digests).hex().encode()
        return pa.StringArray.from_buffers(len(digests), pa.py_buffer(ends), pa.py_buffer(text))

    def _count_repeats(self, keys: NDArray[np.uint64]) -> list[tuple[int, int]]:
        """Each row that occurred before, and how often."""
        is_repeat = np.ones(len(keys), np.bool_)
        is_repeat[np.unique(keys, return_index=True)[1]] = False
        for seen in self._seen:
            is_repeat |= seen[np.minimum(np.searchsorted(seen, keys), len(seen) - 1)] == keys
        repeats = []
        for row in np.flatnonzero(is_repeat).tolist():
            key = int(keys[row])
            self._repeats[key] = self._repeats.get(key, 0) + 1
            repeats.append((row, self._repeats[key]))
        self._remember(np.unique(keys[~is_repeat]))
        return repeats

    def _remember(self, keys: NDArray[np.uint64]) -> None:
        if len(keys):
            self._seen.append(keys)
        while len(self._seen) > 1 and len(self._seen[-2]) <= 2 * len(self._seen[-1]):
            self._seen[-2:] = [np.sort(np.concatenate(self._seen[-2:]))]


def _parse_splits(column: pa.Array, name: str) -> pa.Array:
    """Official splits from a column; raises DataError for a value that is not the name of a split."""
    lower = pc.utf8_lower(column)
    unknown = sorted(set(lower.unique().to_pylist()) - {None, *SPLIT_ALIASES})
    if unknown:
        raise DataError(
            f"params.yaml: ingest.split_column: column {name!r} contains {unknown[0]!r}; must be one of"
            f" {list(SPLIT_ALIASES)} or empty; correct that column, or set null"
        )
    indices = pc.index_in(lower, value_set=pa.array(list(SPLIT_ALIASES), pa.string()))
    return pa.array(list(SPLIT_ALIASES.values()), pa.string()).take(indices)
