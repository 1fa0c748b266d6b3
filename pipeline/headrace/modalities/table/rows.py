"""Raw rows of a table: ids, labels and splits beside the source's columns, all as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from headrace.contracts import TaskName
from headrace.errors import DataError
from headrace.modalities.table.files import SPLITS
from headrace.modalities.table.label_cells import label_cells
from headrace.modalities.table.labels import without_dots
from headrace.modalities.table.row_ids import RowIds

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_BATCH = 1024
OURS = ("row_id", "label", "split", "image", "text", "path", "original", "check", "reason")
"""Columns that rows have, or get, from us: a source's column of such a name gets a `_` at its end."""


class Shape(NamedTuple):
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


def raw_schema(names: Iterable[str], shape: Shape) -> pa.Schema:
    """Of the rows that `raw_batches` yields."""
    import pyarrow as pa

    own = [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("split", pa.string()),
    ]
    others = [new for name, new in renamed(names).items() if name not in (*shape.targets, shape.split_column)]
    return pa.schema([*own, *(pa.field(name, pa.string()) for name in others)])


def stripped_cells(batch: pa.RecordBatch, names: list[str], missing: list[str]) -> list[pa.Array]:
    """The columns without blanks around cells, null where a cell means that there is no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nothing = pa.array(missing, pa.string())
    cells = []
    for name in names:
        column = pc.utf8_trim_whitespace(batch.column(name))
        is_missing = pc.is_in(column, value_set=nothing)
        cells.append(pc.if_else(is_missing, pa.scalar(None, pa.string()), column) if is_missing.true_count else column)
    return cells


def raw_batches(
    parts: Iterable[tuple[str | None, Iterator[pa.RecordBatch]]], names: list[str], shape: Shape
) -> Iterator[pa.RecordBatch]:
    """Raw rows of files, each with its official split, of at most ROWS_PER_BATCH each."""
    import pyarrow as pa

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
    import pyarrow as pa
    import pyarrow.compute as pc

    lower = pc.utf8_lower(column)
    unknown = sorted(set(lower.unique().to_pylist()) - {None, *SPLITS})
    if unknown:
        raise DataError(
            f"params.yaml: ingest.split_column: column {name!r} holds {unknown[0]!r}; must hold one of"
            f" {list(SPLITS)} or nothing; mend that column, or set null"
        )
    places = pc.index_in(lower, value_set=pa.array(list(SPLITS), pa.string()))
    return pa.array(list(SPLITS.values()), pa.string()).take(places)
