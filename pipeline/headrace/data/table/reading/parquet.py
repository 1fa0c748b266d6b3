"""Parquet files: columns of scalars, read as text; the target may hold lists of labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.table_file import OpenTableFile, check_names, check_same
from headrace.errors import DataError
from headrace.storage.label_codec import write_names

ROWS_PER_BATCH = 8192
INDEX = re.compile(r"__index_level_\d+__")
"""Columns that pandas adds for the places of rows."""


def open_parquet(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Reads the schema; raises DataError where the file is damaged or a column holds more than one value a row."""
    if path.suffix.lower() not in (".parquet", ".pq"):
        raise DataError(f"{path}: a packed Parquet file, which cannot be read in pieces; unpack it")
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    fields = [field for field in schema if not INDEX.fullmatch(field.name)]
    names = [field.name for field in fields]
    if not names:
        raise DataError(f"{path}: has no columns; give a table that has rows")
    check_names(path, names)
    for field in fields:
        _check_type(path, field, is_target=options.targets == [field.name])
    if expected is not None:
        check_same(path, names, expected)
    return OpenTableFile(names, _batches(path, names), options.table)


def _batches(path: Path, names: list[str]) -> Iterator[pa.RecordBatch]:

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_PER_BATCH, columns=names):
                arrays = [_as_text(batch.column(name)) for name in names]
                yield pa.record_batch(arrays, names=names)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _check_type(path: Path, field: Any, *, is_target: bool) -> None:

    is_list = types.is_list(field.type) or types.is_large_list(field.type)
    kind = field.type.value_type if types.is_dictionary(field.type) or (is_list and is_target) else field.type
    is_binary = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    if types.is_nested(kind) or is_binary:
        raise DataError(
            f"{path}: column {field.name!r} holds {kind}; cells are texts, numbers, booleans, dates or null;"
            " flatten it, leave it out, or name it as ingest.target if it holds lists of labels"
        )


def _as_text(column: Any) -> Any:
    """Strings of a column, null where it has no value or NaN."""
    if types.is_list(column.type) or types.is_large_list(column.type):
        return pa.array([None if names is None else write_names(names) for names in column.to_pylist()], pa.string())
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_float16(column.type):
        column = column.cast(pa.float32())
    if types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column.cast(pa.string())


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not readable as Parquet ({str(error).splitlines()[0]}); fetch the file again")
