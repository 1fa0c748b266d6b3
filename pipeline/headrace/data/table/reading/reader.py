"""Reads a table from files of any format and yields its raw rows in batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts import Assumption, OpenedSource, Spec
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.row_source import relative_name
from headrace.data.table.format_counts import FormatCounts, count_formats
from headrace.data.table.reading.columns.remarks import assume_named_target
from headrace.data.table.reading.columns.whole_columns import (
    ColumnWatch,
    TargetNotations,
    decide_targets,
    find_placeholder_labels,
)
from headrace.data.table.reading.delimited.format_remarks import assume_format, assume_missing
from headrace.data.table.reading.delimited.reader import open_delimited
from headrace.data.table.reading.files import TableFile, find_common_dir, find_table_files
from headrace.data.table.reading.folders.annotations import open_annotations
from headrace.data.table.reading.folders.partitions import add_columns
from headrace.data.table.reading.folders.text_lines import open_text_lines
from headrace.data.table.reading.formats.arff import open_arff
from headrace.data.table.reading.formats.arrow_file import open_arrow, open_orc
from headrace.data.table.reading.formats.databases import open_database
from headrace.data.table.reading.formats.excel import open_excel
from headrace.data.table.reading.formats.json_document import open_json
from headrace.data.table.reading.formats.npz_table import open_npz
from headrace.data.table.reading.formats.parquet import open_parquet
from headrace.data.table.reading.formats.saved_dataset import open_saved_dataset
from headrace.data.table.reading.formats.svmlight import open_svmlight
from headrace.data.table.reading.inference import InferredTable, infer_table
from headrace.data.table.reading.labels import MarkedClasses, find_dotted_splits, find_marked_classes
from headrace.data.table.reading.rows import (
    RowLayout,
    ShardRows,
    build_raw_batches,
    build_raw_schema,
    normalize_cells,
)
from headrace.data.table.reading.table_file import OpenTableFile, check_same_columns
from headrace.errors import DataError

log = logging.getLogger(__name__)

OPENERS: dict[str, Callable[[Path, ReadOptions, list[str] | None], OpenTableFile]] = {
    "csv": open_delimited,
    "tsv": open_delimited,
    "lines": open_delimited,
    "jsonl": open_json,
    "parquet": open_parquet,
    "arrow": open_arrow,
    "orc": open_orc,
    "saved_dataset": open_saved_dataset,
    "excel": open_excel,
    "database": open_database,
    "arff": open_arff,
    "npz": open_npz,
    "svmlight": open_svmlight,
    "text_lines": open_text_lines,
    "annotations": open_annotations,
}
DELIMITED = frozenset(name for name, opener in OPENERS.items() if opener is open_delimited)
HEAD_ROWS = 20_000
"""Rows from which kinds, target and task are inferred, over all sampled files."""
HEAD_IMAGES = 2_000
"""The same for rows with images, which are larger."""
HEAD_FILES = 20
"""Files sampled: evenly spaced, because shards may be sorted by content, and the first of each split."""


class _Head(NamedTuple):
    """The first rows of some files."""

    names: list[str]
    options: ReadOptions
    """With the detected format of the first file."""
    tables: list[tuple[str | None, pa.Table]]
    """Split and rows of each file."""
    batches: list[pa.RecordBatch]
    """The same rows as they are written."""
    image_column: str | None = None
    assumptions: Sequence[Assumption] = ()
    """Those of the formats."""

    def raw_cells(self, name: str) -> pa.ChunkedArray:
        """The cells of a column, with those that stand for a missing value."""
        columns = [batch.column(name) for batch in self.batches if name in batch.schema.names]
        return pc.utf8_trim_whitespace(pa.chunked_array(columns, pa.string()))


def open_table_file(file: TableFile, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Opens a file of a table by its format; `expected`: all columns of the table, if they are known."""
    if not file.cells:
        return OPENERS[file.format](file.path, options, expected)
    own = [name for name in expected if name not in file.cells] if expected and file.format == "jsonl" else None
    opened = add_columns(OPENERS[file.format](file.path, options, own), file.cells)
    if expected is not None:
        check_same_columns(file.path, opened.names, expected)
    return opened


def read_table_files(path: Path, options: ReadOptions, files: list[TableFile] | None = None) -> OpenedSource:
    """Opens a file, a glob or a folder of shards of one format.

    The spec's modality depends on the columns; the rows are those of a table in any case. `files`: those of `path`, if
    they are known. Raises DataError and
    ConfigError for input that is invalid or ambiguous, also while the rows are read.
    """
    files = files or find_table_files(path, options.source)
    remarks = assume_named_target(files[0].target) if files[0].target and not options.targets else []
    if remarks:
        options = options.model_copy(update={"target": files[0].target})
    head = _read_head(files, options)
    rows = pa.concat_tables([table for _, table in head.tables])
    if not rows.num_rows:
        raise DataError(f"{files[0].path}: has columns {head.names[:5]}, but no rows; give a table that has rows")
    table = infer_table(rows, head.options)
    labels = _labels_by_split(head, table.target) if table.task == "classification" else {}
    dotted = find_dotted_splits(labels, options.source)
    marked = find_marked_classes(head.raw_cells(table.target), options.table) if labels else MarkedClasses([], [])
    targets = _decide_targets(files, head, table)
    layout = RowLayout(
        table.targets, options.split_column, options.table.missing_cells, dotted, table.task, options.label_separator,
        target_missing=[c for c in options.table.missing_cells if c not in marked.classes] + targets.missing,
        numeric_targets=targets.guesses, has_images=head.image_column is not None,
    )  # fmt: skip
    spec = Spec(
        modality=table.modality, task=table.task, source=options.source, format="table", num_rows=0,
        assumptions=[*remarks, *_assume_format(files, options, head.options), *head.assumptions, *table.assumptions,
                     *marked.assumptions, *targets.assumptions],
        target=table.target,
        targets=table.targets if table.task == "regression" and len(table.targets) > 1 else [],
        columns=table.columns,
        missing=options.table.missing_cells,
        other_columns=[name for name in head.names if name not in {column.name for column in table.columns}],
    )  # fmt: skip
    watch = ColumnWatch(spec.columns if spec.modality == "table" else [], options, table.likely_decimal)
    batches = build_raw_batches(_open_files(files, head), head.names, layout, watch.observe)
    return OpenedSource(spec, build_raw_schema(head.names, layout), batches, watch.finish)


def _assume_format(files: list[TableFile], options: ReadOptions, detected: ReadOptions) -> list[Assumption]:
    missing = [*files[0].assumptions, *assume_missing(options.table)]
    is_delimited = files[0].format in DELIMITED
    if not is_delimited and files[0].format not in {"jsonl", "arff", "svmlight", "text_lines", "annotations"}:
        return missing
    paths = [file.path for file in files]
    return assume_format(paths, options, detected.table, is_delimited=is_delimited) + missing


def _decide_targets(files: list[TableFile], head: _Head, table: InferredTable) -> TargetNotations:
    """Reads all rows once more if a target of a regression is not in plain notation, which is rare."""
    unclear = [name for name, guess in table.numeric_targets.items() if guess.counts is not None]
    if table.task != "regression":
        return find_placeholder_labels(table.numeric_targets)
    if not unclear:
        return TargetNotations({}, [])
    missing, counts = head.options.table.missing_cells, {name: FormatCounts() for name in unclear}
    for shard in _open_files(files, head):
        for batch in shard.batches:
            for name, cells in zip(unclear, normalize_cells(batch.cells, unclear, missing), strict=True):
                counts[name].add(count_formats(cells))
    return decide_targets(counts, head.options, table.likely_decimal)


def _open_files(files: list[TableFile], head: _Head) -> Iterator[ShardRows]:
    """Opens one file after the other."""
    base = find_common_dir([file.path for file in files])
    for file in files:
        opened = open_table_file(file, head.options, head.names)
        if opened.note:
            log.warning("%s", opened.note)
        yield ShardRows(relative_name(file.path, base), file.split, opened.numbering, opened.batches)


def _read_head(files: list[TableFile], options: ReadOptions) -> _Head:
    """Reads the first rows of some of the files; raises DataError if their columns differ."""
    sampled = _sample_files(files)
    names: list[str] | None = None
    detected = options
    first_rows, image_column, assumptions = [], None, dict[str, Assumption]()
    for file in sampled:
        is_open_ended = file.format in {"jsonl", "svmlight"}  # a line need not have every key
        opened = open_table_file(file, detected, None if is_open_ended else names)
        names = opened.names if names is None else [*names, *(n for n in opened.names if n not in names)]
        detected = detected.model_copy(update={"table": opened.table})
        if opened.image_column is not None:
            image_column = opened.image_column
            detected = detected.model_copy(update={"columns": {**detected.columns, image_column: "image"}})
        num_rows = HEAD_ROWS if opened.image_column is None else HEAD_IMAGES
        first_rows.append((file.split, _first_rows(opened, num_rows // len(sampled))))
        assumptions |= {assumption.text: assumption for assumption in opened.assumptions}
    names = names or []
    tables = [(split, _to_table(batches, names, options)) for split, batches in first_rows]
    batches = [batch for _, batches in first_rows for batch in batches]
    return _Head(names, detected, tables, batches, image_column, list(assumptions.values()))


def _sample_files(files: list[TableFile]) -> list[TableFile]:
    step = -(-len(files) // HEAD_FILES)
    first_of_split = {file.split: file for file in reversed(files)}
    return [file for index, file in enumerate(files) if index % step == 0 or file is first_of_split[file.split]]


def _first_rows(opened: OpenTableFile, num_rows: int) -> list[pa.RecordBatch]:
    batches = []
    for batch in opened.batches:
        batches.append(batch.cells.slice(0, num_rows))
        num_rows -= batch.cells.num_rows
        if num_rows <= 0:
            break
    return batches


def _to_table(batches: list[pa.RecordBatch], names: list[str], options: ReadOptions) -> pa.Table:
    """Normalized cells of all columns of the table; those that a file of JSON lines lacks are null."""
    schema = pa.schema([(name, pa.string()) for name in names])
    tables = []
    for batch in batches:
        own = [name for name in names if name in batch.schema.names]
        cells = dict(zip(own, normalize_cells(batch, own, options.table.missing_cells), strict=True))
        nulls = pa.nulls(batch.num_rows, pa.string())
        tables.append(pa.table([cells.get(name, nulls) for name in names], schema=schema))
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _labels_by_split(head: _Head, target: str) -> dict[str | None, set[str]]:
    labels: dict[str | None, set[str]] = {}
    for split, table in head.tables:
        labels.setdefault(split, set()).update(table[target].drop_null().unique().to_pylist())
    return labels
