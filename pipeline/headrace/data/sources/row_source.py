"""Where a row stands in its source, as text that a person can look up: the column `source` of the rows.

`rows.csv:17` is line 17 of a text file (lines count from 1), `rows.parquet[16]` is row 16 of a file of rows or of a
built-in dataset (rows count from 0), and `cat/0007.png` is a file of its own. Files are relative to the source.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

SOURCE = "source"
"""The name of the column."""
Numbering: TypeAlias = Literal["line", "index"]


def format_index(name: str, index: int) -> str:
    """Names a row of a file of rows.

    >>> format_index("train-images-idx3-ubyte.gz", 16)
    'train-images-idx3-ubyte.gz[16]'
    """
    return f"{name}[{index}]"


def format_sources(name: str, numbers: pa.Array, numbering: Numbering) -> pa.Array:
    """Names rows of one file by their lines or indices: `[rows]` strings."""
    before, after = (":", "") if numbering == "line" else ("[", "]")
    texts = numbers.cast(pa.string())
    return pc.binary_join_element_wise(pa.scalar(name + before), texts, pa.scalar(after), pa.scalar(""))


def name_rows(batch: pa.RecordBatch) -> pa.Array:
    """Returns the places of rows in the source; their ids if an earlier version ingested them, without this column."""
    ids = pc.binary_join_element_wise(pa.scalar("row "), batch.column("row_id"), pa.scalar(""))
    return pc.coalesce(batch.column(SOURCE), ids) if SOURCE in batch.schema.names else ids


def relative_name(path: Path, base: Path) -> str:
    """A path below `base`, with forward slashes; bytes that are not UTF-8 are escaped."""
    return to_utf8(path.relative_to(base).as_posix())


def to_utf8(name: str) -> str:
    """Escapes the bytes of a file name that are not UTF-8, as in old archives."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
