"""Arrow columns as the cells of a table: scalars as text, lists of labels, and images with their bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from headrace.data.sources.image_formats import is_image
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.cell_text import format_floats
from headrace.data.table.reading.table_file import FileRows, check_same_columns, check_unique_names
from headrace.errors import ConfigError, DataError
from headrace.storage.label_codec import encode_names

PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""Index columns that pandas adds."""
ROWS_PER_BATCH = 8192
IMAGES_PER_BATCH = 64
"""Rows with images that are in memory at a time."""
IMAGE_FIELDS = {"bytes", "path"}
"""The fields of an image of Hugging Face's datasets."""
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class ArrowColumns(NamedTuple):
    """How the columns of an Arrow schema become cells."""

    names: list[str]
    class_names: dict[str, list[str]]
    """Column -> the names of its classes, if its cells are their indices."""
    image_column: str | None
    """The column that holds images, not names of them."""
    empty: list[str]
    """Columns that are ignored and cannot become text: their cells are null."""

    @property
    def rows_per_batch(self) -> int:
        """Rows to read at a time."""
        return ROWS_PER_BATCH if self.image_column is None else IMAGES_PER_BATCH


def describe_columns(
    path: Path,
    schema: pa.Schema,
    options: ReadOptions,
    expected: list[str] | None,
    read_column: Callable[[str], Iterable[pa.RecordBatch]] = lambda _: (),
) -> ArrowColumns:
    """Checks a file's columns; raises DataError if one has more than one value per row, ConfigError for two images.

    `read_column`: yields the batches of a column of bytes, whose first cell shows whether it holds images.
    """
    fields = [field for field in schema if not PANDAS_INDEX.fullmatch(field.name)]
    names = [field.name for field in fields]
    if not names:
        raise DataError(f"{path}: has no columns; give a table that has rows")
    check_unique_names(path, names)
    ignored = {name for name, kind in options.columns.items() if kind == "ignore"}
    features = _read_features(schema)
    images = [
        field.name
        for field in fields
        if field.name not in ignored
        and (_is_image(field, features) or (_is_binary(field.type) and _holds_images(field.name, options, read_column)))
    ]
    if len(images) > 1:
        raise ConfigError(
            f"params.yaml: ingest.columns: {images[:5]} all hold images, but a row can have only one; set the others"
            " to ignore"
        )
    empty = [field.name for field in fields if field.name in ignored and not is_scalar(field.type)]
    for field in fields:
        if field.name not in {*images, *empty}:
            _check_type(path, field, is_target=options.targets == [field.name])
    if expected is not None:
        check_same_columns(path, names, expected)
    return ArrowColumns(names, find_class_names(schema), next(iter(images), None), empty)


def find_class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Column -> the names of its classes, as Hugging Face's datasets store them in the schema's metadata."""
    try:
        found = {name: _class_names(feature) for name, feature in _read_features(schema).items()}
    except (KeyError, TypeError, AttributeError, RecursionError):  # another program's metadata
        return {}
    return {name: names for name, names in found.items() if names}


@contextmanager
def translate_arrow_errors(path: Path, noun: str) -> Iterator[None]:
    """Raises DataError for a damaged file; `noun`: what it should be."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: not readable as {noun} ({reason}); download the file again") from None


def read_rows(path: Path, noun: str, batches: Iterable[pa.RecordBatch], columns: ArrowColumns) -> Iterator[FileRows]:
    """Converts the batches of a file, in order; raises DataError for a damaged one, and for images that are not there.

    `noun`: what the file should be.
    """
    start = 0
    with translate_arrow_errors(path, noun):
        for batch in _regroup(batches, columns.rows_per_batch):
            images = None
            if columns.image_column is not None:
                images = _to_images(batch.column(columns.image_column))
                if start == 0:
                    _check_images(path, columns.image_column, images)
            cells = [_to_cells(batch, name, columns, images) for name in columns.names]
            numbers = pa.array(np.arange(start, start + batch.num_rows))
            yield FileRows(pa.record_batch(cells, names=columns.names), numbers, images)
            start += batch.num_rows


def _regroup(batches: Iterable[pa.RecordBatch], num_rows: int) -> Iterator[pa.RecordBatch]:
    """Cuts large batches, and joins small ones, each of which would cost as much as a full one."""
    pending, num_pending = list[pa.RecordBatch](), 0
    for batch in batches:
        if pending and num_pending + batch.num_rows > num_rows:
            yield from pa.Table.from_batches(pending).combine_chunks().to_batches()
            pending, num_pending = [], 0
        if batch.num_rows < num_rows:
            pending.append(batch)
            num_pending += batch.num_rows
            continue
        for start in range(0, batch.num_rows, num_rows):
            yield batch.slice(start, num_rows)
    if pending:
        yield from pa.Table.from_batches(pending).combine_chunks().to_batches()


def is_scalar(kind: pa.DataType) -> bool:
    """Whether a column's cells can be written as text."""
    kind = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return False
    if types.is_fixed_size_binary(kind) or types.is_binary_view(kind):
        return False
    if _is_uuid(kind) or types.is_float16(kind):
        return True
    try:
        pa.nulls(0, kind).cast(pa.string())
    except pa.ArrowException:  # an interval, or an extension of another program
        return False
    return True


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.uuid"


def _read_features(schema: pa.Schema) -> dict[str, Any]:
    """Column -> its feature in the metadata of Hugging Face's datasets; empty for other files."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _is_image(field: Any, features: Mapping[str, Any]) -> bool:
    """Whether a column holds bytes and paths, which are not sounds."""
    feature = features.get(field.name)
    kind = feature.get("_type", "Image") if isinstance(feature, dict) else "Image"
    return kind == "Image" and types.is_struct(field.type) and {part.name for part in field.type} == IMAGE_FIELDS


def _is_binary(kind: pa.DataType) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _holds_images(name: str, options: ReadOptions, read_column: Callable[[str], Iterable[pa.RecordBatch]]) -> bool:
    """Whether a column of bytes holds images, by the settings, or by its first cell."""
    if options.columns.get(name) == "image":
        return True
    cells = (batch.column(name).drop_null() for batch in read_column(name))
    first = next((part[0].as_py() for part in cells if len(part)), b"")
    return is_image(first)


def _class_names(feature: Any) -> list[str]:
    """The names of a ClassLabel, or of a list of them."""
    if isinstance(feature, list):
        return _class_names(feature[0])
    if feature.get("_type") in {"Sequence", "List", "LargeList"}:
        return _class_names(feature["feature"])
    return [str(name) for name in feature["names"]] if feature.get("_type") == "ClassLabel" else []


def _name_classes(column: Any, class_names: Sequence[str]) -> Any:
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


def _check_type(path: Path, field: Any, *, is_target: bool) -> None:
    is_list = types.is_list(field.type) or types.is_large_list(field.type)
    kind = field.type.value_type if is_list and is_target else field.type
    if not is_scalar(kind):
        raise DataError(
            f"{path}: column {field.name!r} contains {kind}; cells must be texts, numbers, booleans, dates or null;"
            f" flatten it, set ingest.columns: {{{field.name}: ignore}}, or "
            + (
                "image if it holds images"
                if _is_binary(kind)
                else "name it as ingest.target if it contains lists of labels"
            )
        )


def _to_cells(batch: pa.RecordBatch, name: str, columns: ArrowColumns, images: pa.Array | None) -> Any:
    if name == columns.image_column and images is not None:
        return _hash_images(images)
    if name in columns.empty:
        return pa.nulls(batch.num_rows, pa.string())
    column = batch.column(name)
    return _to_text(_name_classes(column, columns.class_names[name]) if name in columns.class_names else column)


def _to_text(column: Any) -> Any:
    """A column as strings; null for missing values and NaN."""
    if types.is_list(column.type) or types.is_large_list(column.type):
        return pa.array([None if names is None else encode_names(names) for names in column.to_pylist()], pa.string())
    if _is_uuid(column.type):
        values = column.storage.to_pylist()
        return pa.array([None if value is None else str(UUID(bytes=value)) for value in values], pa.string())
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_float16(column.type):
        column = column.cast(pa.float32())
    return format_floats(column) if types.is_floating(column.type) else column.cast(pa.string())


def _to_images(column: Any) -> pa.Array:
    """`[rows]` of IMAGE_TYPE."""
    if _is_binary(column.type):
        columns = [column.cast(pa.binary()), pa.nulls(len(column), pa.string())]
        return pa.StructArray.from_arrays(columns, fields=list(IMAGE_TYPE))
    data, path = (pc.struct_field(column, name) for name in ("bytes", "path"))
    return pa.StructArray.from_arrays([data.cast(pa.binary()), path.cast(pa.string())], fields=list(IMAGE_TYPE))


def _check_images(path: Path, name: str, images: pa.Array) -> None:
    data, paths = images.field("bytes"), images.field("path")
    if len(data) and data.null_count == len(data) and paths.null_count < len(paths):
        example = paths.drop_null()[0].as_py()
        raise DataError(
            f"{path}: column {name!r} has paths such as {example[:80]!r}, but no images; write it again with the images"
            " inside: Dataset.save_to_disk does, Dataset.to_parquet does not"
        )


def _hash_images(images: pa.Array) -> pa.Array:
    """A cell for each image, which distinguishes it: the row's id depends on it."""
    data = images.field("bytes").to_pylist()
    digests = [None if each is None else blake2b(each, digest_size=16).hexdigest() for each in data]
    return pa.array(digests, pa.string())
