"""Python values as the text of a cell, the same for every format that has values rather than text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa

from headrace.data.table.reading.table_file import FileRows

ROWS_PER_BATCH = 1024


def format_scalar(value: Any) -> str | None:
    """A scalar as text, as Arrow writes it: numbers in their shortest exact form, 1.0 as 1, booleans in lower case.

    Raises TypeError for anything but text, numbers, booleans, dates, times and None.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()  # lone surrogates
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return repr(value)
    if isinstance(value, float):
        text = repr(value)
        if text == "nan":
            return None
        return str(pa.scalar(value).cast(pa.string())) if "e" in text else text.removesuffix(".0")
    if isinstance(value, dt.datetime | dt.date | dt.time | Decimal):
        return str(value)
    if isinstance(value, dt.timedelta):  # as spreadsheets write it: 30:00:00
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    raise TypeError(type(value).__name__)


def batch_rows(rows: Iterable[tuple[int, Sequence[str | None]]], names: Sequence[str]) -> Iterator[FileRows]:
    """Groups rows, each with its number and one cell for each name."""
    schema, remaining = pa.schema([(name, pa.string()) for name in names]), iter(rows)
    while batch := list(islice(remaining, ROWS_PER_BATCH)):
        columns = zip(*(cells for _, cells in batch), strict=True)
        arrays = [pa.array(column, pa.string()) for column in columns]
        yield FileRows(pa.record_batch(arrays, schema=schema), pa.array([number for number, _ in batch], pa.int64()))
