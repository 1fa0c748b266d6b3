"""Python values as the text of a cell, the same for every format that has values rather than text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.data.table.reading.table_file import FileRows

ROWS_PER_BATCH = 4096
ARROW_TYPES = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), dt.date: pa.date32()}
"""Types of which Arrow writes a whole column as `format_scalar` does."""
MIN_POWER, MAX_POWER = 1e10, 1e16
"""Doubles that Arrow writes as a power of ten, and Python, JSON and Excel with all of their digits."""
EXACT = 2.0**53
"""All integers below it are doubles."""


def format_scalar(value: Any) -> str | None:
    """A scalar as text, the same for every format: numbers in their shortest exact form, 1.0 as 1; booleans as true.

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


def format_floats(column: pa.Array) -> pa.Array:
    """Floats as text, as `format_scalar` writes each; null for NaN."""
    column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    text, size = column.cast(pa.string()), pc.abs(column)
    is_long = pc.and_(pc.greater_equal(size, MIN_POWER), pc.less(size, MAX_POWER))
    if not pc.any(is_long).as_py():
        return text
    is_whole = pc.and_(is_long, pc.equal(column, pc.floor(column)))
    digits = pc.if_else(is_whole, column, pa.scalar(None, column.type)).cast(pa.int64()).cast(pa.string())
    text = pc.coalesce(digits, text)
    is_fraction = pc.fill_null(pc.and_not(is_long, is_whole), fill_value=False)
    fractions = pa.array([repr(value) for value in column.filter(is_fraction).to_pylist()], pa.string())
    return pc.replace_with_mask(text, is_fraction, fractions)


def format_column(values: Sequence[Any]) -> pa.Array:
    """Scalars of one column as strings, as `format_scalar` writes each; fast if all are of one type, or numbers."""
    kinds = set(map(type, values)) - {NoneType}
    if float in kinds and kinds <= {float, int}:
        numbers = pa.array(values, pa.float64(), from_pandas=False) if kinds == {float} else _join_numbers(values)
        if numbers is not None:
            return format_floats(numbers)
    kind = ARROW_TYPES.get(next(iter(kinds))) if len(kinds) == 1 else None
    if kind is not None:
        try:
            return pa.array(values, kind).cast(pa.string())
        except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):  # a large integer, or a lone surrogate
            pass
    return pa.array([format_scalar(value) for value in values], pa.string())


def has_exact_integers(numbers: pa.Array) -> bool:
    """Whether the integers among float64 numbers are certain to be the ones that were converted to floats."""
    return not (np.abs(numbers.to_numpy(zero_copy_only=False)) >= EXACT).any()


def batch_values(
    rows: Iterable[tuple[int, Sequence[Any]]],
    names: Sequence[str],
    to_cells: Callable[[int, Sequence[Any]], Sequence[str | None]],
    to_column: Callable[[Sequence[Any]], pa.Array] = format_column,
) -> Iterator[FileRows]:
    """Groups rows of values, each with its number.

    `to_cells` converts a row of a batch that contains anything but scalars; it may raise. `to_column` converts a column
    of scalars.
    """
    schema, remaining = pa.schema([(name, pa.string()) for name in names]), iter(rows)
    while batch := list(islice(remaining, ROWS_PER_BATCH)):
        numbers, values = zip(*batch, strict=True)
        try:
            arrays = [to_column(column) for column in zip(*values, strict=True)]
        except TypeError:
            cells = [to_cells(number, row) for number, row in batch]
            arrays = [pa.array(column, pa.string()) for column in zip(*cells, strict=True)]
        yield FileRows(pa.record_batch(arrays, schema=schema), pa.array(numbers, pa.int64()))


def batch_rows(rows: Iterable[tuple[int, Sequence[str | None]]], names: Sequence[str]) -> Iterator[FileRows]:
    """Groups rows, each with its number and one cell for each name."""
    schema, remaining = pa.schema([(name, pa.string()) for name in names]), iter(rows)
    while batch := list(islice(remaining, ROWS_PER_BATCH)):
        numbers, cells = zip(*batch, strict=True)
        arrays = [pa.array(column, pa.string()) for column in zip(*cells, strict=True)]
        yield FileRows(pa.record_batch(arrays, schema=schema), pa.array(numbers, pa.int64()))


def _join_numbers(values: Sequence[Any]) -> pa.Array | None:
    """Integers and floats as floats; None if an integer may not be one exactly."""
    try:
        numbers = pa.array(values, pa.float64(), from_pandas=False)
    except (pa.ArrowInvalid, OverflowError):
        return None
    return numbers if has_exact_integers(numbers) else None
