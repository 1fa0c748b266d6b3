"""One opened file of a table: its columns, and its rows as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from headrace.contracts import Assumption
from headrace.data.sources.archives.compression import COMPRESSIONS
from headrace.data.sources.read_options import TableFormat
from headrace.data.sources.row_source import Numbering
from headrace.errors import DataError


class FileRows(NamedTuple):
    """Some rows of a file, one after the other."""

    cells: pa.RecordBatch
    """String columns, in the order of the file's names; null only where the format itself marks a missing value."""
    numbers: pa.Array
    """`[rows]` int64: the line in which each row begins (from 1), or its index (from 0)."""
    images: pa.Array | None = None
    """`[rows]` of struct<bytes, path>, in a file whose `image_column` holds images."""


class OpenTableFile(NamedTuple):
    """A file whose columns and format are known; its rows are not read yet."""

    names: list[str]
    batches: Iterator[FileRows]
    table: TableFormat
    """The settings, with what was detected, for the other files of the table."""
    numbering: Numbering = "line"
    """What the numbers of the rows mean."""
    note: str = ""
    """A warning for the user, to be logged once."""
    image_column: str | None = None
    """The column that holds images rather than their names; its cells are their hashes."""
    assumptions: Sequence[Assumption] = ()


def check_uncompressed(path: Path, noun: str) -> None:
    """Raises DataError for a compressed file of a format that is not read from its beginning to its end."""
    if path.suffix.lower() in COMPRESSIONS:
        raise DataError(f"{path}: compressed {noun} files cannot be read in parts; decompress it")


def check_unique_names(path: Path, names: Sequence[str]) -> None:
    """Raises DataError if several columns have the same name."""
    duplicates = sorted(name for name, count in Counter(names).items() if count > 1)
    if duplicates:
        raise DataError(f"{path}: several columns are named {duplicates[:5]}; names must be unique; rename them")


def check_same_columns(path: Path, names: Sequence[str], expected: Sequence[str]) -> None:
    """Raises DataError if a file does not have the columns of the first one; their order does not matter."""
    if len(names) == len(expected) and set(names) == set(expected):
        return
    missing, extra = [n for n in expected if n not in names], [n for n in names if n not in expected]
    raise DataError(
        f"{path}: is not a shard of the same table as the files before it: columns {missing[:5]} are missing,"
        f" {extra[:5]} are extra; give a glob that excludes it, or fix its header"
    )
