"""Python values as the text of a cell, the same for every format that has values rather than text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from types import NoneType
from typing import Any

import pyarrow as pa

from headrace.data.table.reading.table_file import FileRows

ROWS_PER_BATCH = 1024
ARROW_TYPES = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), dt.date: pa.date32()}
"""Types of which Arrow writes a whole column as `format_scalar` does."""


def format_scalar(value: Any) -> str | None:
    """A scalar as text, as Arrow writes it: numbers in their shortest exact form, 1.0 as 1, booleans in lower case.

    Raises TypeError for anything but text, numbers, booleans, dates, times and None.
    """
    formatter = FORMATTERS.get(type(value))
    if formatter is None:
        raise TypeError(type(value).__name__)
    return formatter(value)


def _format_text(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "replace").decode()  # lone surrogates


def _format_float(value: float) -> str | None:
    text = repr(value)
    if text == "nan":
        return None
    return str(pa.scalar(value).cast(pa.string())) if "e" in text else text.removesuffix(".0")


def _format_duration(value: dt.timedelta) -> str:
    """As spreadsheets write it: 30:00:00."""
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


FORMATTERS: dict[type, Callable[[Any], str | None]] = {
    NoneType: lambda _: None,
    str: _format_text,
    bool: lambda value: "true" if value else "false",
    int: repr,
    float: _format_float,
    Decimal: str,
    dt.date: str,
    dt.datetime: str,
    dt.time: str,
    dt.timedelta: _format_duration,
}


def format_column(values: Sequence[Any]) -> pa.Array:
    """Scalars of one column as strings, as `format_scalar` writes each; fast if all are of one type."""
    kinds = set(map(type, values)) - {NoneType}
    kind = ARROW_TYPES.get(next(iter(kinds))) if len(kinds) == 1 else None
    if kind is not None:
        try:
            return pa.array(values, kind).cast(pa.string())
        except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):  # a large integer, or a lone surrogate
            pass
    return pa.array([format_scalar(value) for value in values], pa.string())


def batch_values(
    rows: Iterable[tuple[int, Sequence[Any]]],
    names: Sequence[str],
    to_cells: Callable[[int, Sequence[Any]], Sequence[str | None]],
) -> Iterator[FileRows]:
    """Groups rows of values, each with its number.

    `to_cells` converts a row of a batch that contains anything but scalars; it may raise.
    """
    schema, remaining = pa.schema([(name, pa.string()) for name in names]), iter(rows)
    while batch := list(islice(remaining, ROWS_PER_BATCH)):
        try:
            arrays = [format_column(column) for column in zip(*(values for _, values in batch), strict=True)]
        except TypeError:
            cells = [to_cells(number, values) for number, values in batch]
            arrays = [pa.array(column, pa.string()) for column in zip(*cells, strict=True)]
        yield FileRows(pa.record_batch(arrays, schema=schema), pa.array([number for number, _ in batch], pa.int64()))


def batch_rows(rows: Iterable[tuple[int, Sequence[str | None]]], names: Sequence[str]) -> Iterator[FileRows]:
    """Groups rows, each with its number and one cell for each name."""
    schema, remaining = pa.schema([(name, pa.string()) for name in names]), iter(rows)
    while batch := list(islice(remaining, ROWS_PER_BATCH)):
        columns = zip(*(cells for _, cells in batch), strict=True)
        arrays = [pa.array(column, pa.string()) for column in columns]
        yield FileRows(pa.record_batch(arrays, schema=schema), pa.array([number for number, _ in batch], pa.int64()))
