"""Reads Parquet files: columns of scalars, as text; the target may contain lists of labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.table_file import FileRows, OpenTableFile, check_same_columns, check_unique_names
from headrace.errors import DataError
from headrace.storage.label_codec import encode_names

ROWS_PER_BATCH = 8192
PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""Index columns that pandas adds."""


def open_parquet(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Reads the schema; raises DataError if the file is damaged or a column has more than one value per row."""
    if path.suffix.lower() not in (".parquet", ".pq"):
        raise DataError(f"{path}: compressed Parquet files cannot be read in parts; decompress it")
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    fields = [field for field in schema if not PANDAS_INDEX.fullmatch(field.name)]
    names = [field.name for field in fields]
    if not names:
        raise DataError(f"{path}: has no columns; give a table that has rows")
    check_unique_names(path, names)
    for field in fields:
        _check_type(path, field, is_target=options.targets == [field.name])
    if expected is not None:
        check_same_columns(path, names, expected)
    return OpenTableFile(names, _batches(path, names, find_class_names(schema)), options.table, "index")


def find_class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Column -> the names of its classes, as Hugging Face's datasets store them in the schema's metadata."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        found = {name: _class_names(feature) for name, feature in features.items()}
    except (ValueError, KeyError, TypeError, AttributeError):  # another program's metadata
        return {}
    return {name: names for name, names in found.items() if names}


def _class_names(feature: Any) -> list[str]:
    """The names of a ClassLabel, or of a list of them."""
    if isinstance(feature, list):
        return _class_names(feature[0])
    if feature.get("_type") in {"Sequence", "List", "LargeList"}:
        return _class_names(feature["feature"])
    return [str(name) for name in feature["names"]] if feature.get("_type") == "ClassLabel" else []


def _name_classes(column: Any, class_names: list[str]) -> Any:
    """Indices -> names, also in lists; null for an index without a name, such as -1 of an unlabelled row."""
    if types.is_list(column.type) or types.is_large_list(column.type):
        rows = column.to_pylist()
        known = dict(enumerate(class_names))
        names = [None if row is None else [known[index] for index in row if index in known] for row in rows]
        return pa.array(names, pa.list_(pa.string()))
    if not types.is_integer(column.type):
        return column
    index = pc.if_else(pc.and_(pc.greater_equal(column, 0), pc.less(column, len(class_names))), column, None)
    return pa.array(class_names, pa.string()).take(index.cast(pa.int64()))


def _batches(path: Path, names: list[str], class_names: dict[str, list[str]]) -> Iterator[FileRows]:
    start = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_PER_BATCH, columns=names):
                columns = {name: batch.column(name) for name in names}
                columns |= {
                    name: _name_classes(columns[name], class_names[name]) for name in class_names if name in columns
                }
                arrays = [_as_text(column) for column in columns.values()]
                numbers = pa.array(np.arange(start, start + batch.num_rows))
                yield FileRows(pa.record_batch(arrays, names=names), numbers)
                start += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _check_type(path: Path, field: Any, *, is_target: bool) -> None:
    is_list = types.is_list(field.type) or types.is_large_list(field.type)
    kind = field.type.value_type if types.is_dictionary(field.type) or (is_list and is_target) else field.type
    is_binary = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    if types.is_nested(kind) or is_binary:
        raise DataError(
            f"{path}: column {field.name!r} contains {kind}; cells must be texts, numbers, booleans, dates or null;"
            " flatten it, remove it, or name it as ingest.target if it contains lists of labels"
        )


def _as_text(column: Any) -> Any:
    """A column as strings; null for missing values and NaN."""
    if types.is_list(column.type) or types.is_large_list(column.type):
        return pa.array([None if names is None else encode_names(names) for names in column.to_pylist()], pa.string())
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_float16(column.type):
        column = column.cast(pa.float32())
    if types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column.cast(pa.string())


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not readable as Parquet ({str(error).splitlines()[0]}); download the file again")
