"""Tables as a source: files of text, JSON lines or Parquet -> raw rows, a batch at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from headrace.contracts import OpenedSource, Spec
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.delimited.reader import open_delimited
from headrace.data.table.reading.files import TableFile, find_files
from headrace.data.table.reading.inference import infer
from headrace.data.table.reading.jsonl import open_jsonl
from headrace.data.table.reading.labels import dotted_splits
from headrace.data.table.reading.parquet import open_parquet
from headrace.data.table.reading.rows import RowLayout, raw_batches, raw_schema, renamed, stripped_cells
from headrace.data.table.reading.table_file import OpenTableFile
from headrace.errors import DataError

log = logging.getLogger(__name__)

OPENERS: dict[str, Callable[[Path, ReadOptions, list[str] | None], OpenTableFile]] = {
    "csv": open_delimited,
    "tsv": open_delimited,
    "lines": open_delimited,
    "jsonl": open_jsonl,
    "parquet": open_parquet,
}
HEAD_ROWS = 20_000
"""What kinds, target and task are guessed from, over all files that are looked at."""
HEAD_FILES = 20
"""Evenly among the files, and the first of each split: shards may be sorted by what they hold."""


class _Head(NamedTuple):
    """The first rows of some files."""

    names: list[str]
    options: ReadOptions
    """With what was found out about the format of the first file."""
    tables: list[tuple[str | None, pa.Table]]
    """Splits and rows."""


def read_table_files(path: Path, options: ReadOptions) -> OpenedSource:
    """A file, a glob or a folder of shards: CSV and its like, JSON lines or Parquet, packed or not.

    The spec's modality is what the columns are of; the rows are a table's in any case. Raises DataError and
    ConfigError for what cannot be read or is in doubt, also while the rows are read.
    """
    files = find_files(path, options.source)
    head = _head(files, options)
    rows = pa.concat_tables([table for _, table in head.tables])
    if not rows.num_rows:
        raise DataError(f"{files[0].path}: has columns {head.names[:5]}, but no rows; give a table that has rows")
    found = infer(rows, head.options)
    labels = _labels(head, found.target) if found.task == "classification" else {}
    dotted = dotted_splits(labels, options.source)
    shape = RowLayout(
        found.targets, options.split_column, options.table.missing, dotted, found.task, options.label_separator
    )
    new_names = renamed(head.names)
    spec = Spec(
        modality=found.modality, task=found.task, source=options.source, format="table", num_rows=0,
        target=found.target,
        targets=found.targets if found.task == "regression" and len(found.targets) > 1 else [],
        columns=[column.model_copy(update={"name": new_names[column.name]}) for column in found.columns],
    )  # fmt: skip
    return OpenedSource(spec, raw_schema(head.names, shape), raw_batches(_parts(files, head), head.names, shape))


def _parts(files: list[TableFile], head: _Head) -> Iterator[tuple[str | None, Iterator[pa.RecordBatch]]]:
    """Opens one file after the other, with its split."""
    for file in files:
        part = OPENERS[file.format](file.path, head.options, head.names)
        if part.note:
            log.warning("%s", part.note)
        yield file.split, part.batches


def _head(files: list[TableFile], options: ReadOptions) -> _Head:
    """Looks into some of the files; raises DataError where they do not fit together."""
    chosen = _chosen(files)
    names: list[str] | None = None
    found = options
    looked_at = []
    for file in chosen:
        is_open_ended = file.format == "jsonl"  # a line need not have every key
        part = OPENERS[file.format](file.path, found, None if is_open_ended else names)
        names = part.names if names is None else [*names, *(n for n in part.names if n not in names)]
        found = found.model_copy(update={"table": part.table})
        looked_at.append((file.split, _first_rows(part, HEAD_ROWS // len(chosen))))
    names = names or []
    return _Head(names, found, [(split, _table(batches, names, options)) for split, batches in looked_at])


def _chosen(files: list[TableFile]) -> list[TableFile]:
    step = -(-len(files) // HEAD_FILES)
    first_of_split = {file.split: file for file in reversed(files)}
    return [file for index, file in enumerate(files) if index % step == 0 or file is first_of_split[file.split]]


def _first_rows(part: OpenTableFile, num_rows: int) -> list[pa.RecordBatch]:
    batches = []
    for batch in part.batches:
        batches.append(batch.slice(0, num_rows))
        num_rows -= batch.num_rows
        if num_rows <= 0:
            break
    return batches


def _table(batches: list[pa.RecordBatch], names: list[str], options: ReadOptions) -> pa.Table:
    """Stripped cells of all columns of the whole table; those that a file of JSON lines lacks are null."""
    schema = pa.schema([(name, pa.string()) for name in names])
    tables = []
    for batch in batches:
        own = [name for name in names if name in batch.schema.names]
        cells = dict(zip(own, stripped_cells(batch, own, options.table.missing), strict=True))
        nothing = pa.nulls(batch.num_rows, pa.string())
        tables.append(pa.table([cells.get(name, nothing) for name in names], schema=schema))
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _labels(head: _Head, target: str) -> dict[str | None, set[str]]:
    """Labels of the rows looked at by split."""
    found: dict[str | None, set[str]] = {}
    for split, table in head.tables:
        found.setdefault(split, set()).update(table[target].drop_null().unique().to_pylist())
    return found
