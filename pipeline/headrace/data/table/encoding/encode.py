"""Encodes table rows as float32 by `transform.json`, in `normalize` and in serving. Needs only NumPy and Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.data.table.parsing import count_date_orders, parse_dates, parse_numbers, strip_whitespace

Json = dict[str, Any]
Floats = NDArray[np.float64]

UNKNOWN, MISSING, NUM_SPECIAL = 0, 1, 2
"""Ids of a categorical input: a value absent or rare in train rows; a missing cell; the first value."""
DAY_US = 86_400_000_000
DAYS_PER_YEAR = 365.25
MAX_STORED = 1e30
"""Stored numbers are clipped to this magnitude: the network may divide them by 1e-7, and float32 ends at 3.4e38."""


def encode_batch(batch: pa.RecordBatch, transform: Json) -> NDArray[np.float32]:
    """Encodes clean rows as `[rows, inputs]`: NaN for missing numbers, ids for categories, one input per date part."""
    encoded = np.empty((batch.num_rows, len(transform["inputs"])), np.float32)
    index = 0
    for column in transform["columns"]:
        for values in _encode_column(batch.column(column["name"]), column):
            encoded[:, index] = values
            index += 1
    return encoded


def batch_from_rows(rows: Sequence[Json], transform: Json) -> pa.RecordBatch:
    """Converts a caller's rows (column -> text, number, date or None) to a batch for `encode_batch`.

    Missing cells and invalid numbers become null, as in training. Columns that the transform does not use are
    ignored. Raises ValueError for a date such as 3/4/2024 if no train row shows whether the day or the month is first.
    """
    columns = {
        column["name"]: _typed([row.get(column["name"]) for row in rows], column) for column in transform["columns"]
    }
    return pa.record_batch(columns)


def extract_date_part(name: str, dates: NDArray[np.datetime64]) -> Floats:
    """One number per date (NaN for NaT): `days` since 1970, or a cycle's `year_sin`, `year_cos`, `week_sin`..."""
    microseconds = dates.astype("M8[us]").view("i8")
    if name == "days":
        days: Floats = np.where(np.isnat(dates), np.nan, microseconds / DAY_US)
        return days
    cycle, wave = name.split("_")
    angle: Floats = 2 * np.pi * np.where(np.isnat(dates), np.nan, _cycle_fraction(cycle, dates, microseconds))
    return np.sin(angle) if wave == "sin" else np.cos(angle)


def _cycle_fraction(cycle: str, dates: NDArray[np.datetime64], microseconds: NDArray[np.int64]) -> Floats:
    """Elapsed fraction of the cycle, in [0, 1)."""
    day = microseconds // DAY_US
    if cycle == "year":
        new_year: NDArray[np.int64] = dates.astype("M8[Y]").astype("M8[D]").view("i8")
        return (day - new_year) / DAYS_PER_YEAR
    if cycle == "week":
        return (day + 3) % 7 / 7  # 1 January 1970 was a Thursday; a week starts on Monday
    return (microseconds % DAY_US) / DAY_US


def _encode_column(cells: pa.Array, column: Json) -> Iterator[NDArray[Any]]:
    """Stored values of one clean column: one array, or one per date part."""
    if column["kind"] == "categorical":
        yield _ids(cells, column["values"])
        return
    array = cells.to_numpy(zero_copy_only=False)
    for part in column.get("parts", [""]):
        values = extract_date_part(part, array) if part else array.astype(np.float64)
        if part in {"", "days"}:
            values = np.clip((values - column["offset"]) / column["unit"], -MAX_STORED, MAX_STORED)
        yield values


def _ids(cells: pa.Array, values: list[str]) -> NDArray[np.int32]:
    indices = pc.index_in(cells, value_set=pa.array(values, pa.string())).cast(pa.int32())
    ids = pc.if_else(cells.is_null(), MISSING, pc.add(indices, NUM_SPECIAL).fill_null(UNKNOWN))
    array: NDArray[np.int32] = ids.to_numpy(zero_copy_only=False)
    return array


def _typed(cells: list[Any], column: Json) -> pa.Array:
    categories = set(column.get("values", ()))
    text = pa.array([_text(cell, categories) for cell in cells], pa.string())
    if column["kind"] == "categorical":
        return strip_whitespace(text)
    if column["kind"] == "date":
        return pa.array(_parse_dates(text, column), pa.timestamp("us"))
    values = parse_numbers(text).values
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def _parse_dates(text: pa.Array, column: Json) -> NDArray[np.datetime64]:
    """Reads dates in the train rows' order of day and month, otherwise in the order that more of these cells fit."""
    if column.get("order"):
        return parse_dates(text, column["order"]).values
    day_first, month_first = count_date_orders(text)
    day_dates, month_dates = (parse_dates(text, order).values for order in ("dmy", "mdy"))
    differs = np.flatnonzero((day_dates != month_dates) & ~np.isnat(day_dates) & ~np.isnat(month_dates))
    if day_first == month_first and len(differs):
        cell = text[int(differs[0])].as_py()
        raise ValueError(
            f"column {column['name']!r}: {cell!r} is ambiguous between day first and month first; send YYYY-MM-DD"
        )
    return month_dates if month_first > day_first else day_dates


def _text(cell: Any, categories: set[str]) -> str | None:
    """The cell as text, as the source would write it: 3.0 is `3` unless the column's values include `3.0`."""
    if cell is None or type(cell).__name__ in {"NAType", "NaTType"} or cell != cell:  # noqa: PLR0124 NaN
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    text = str(cell)
    is_integer = text.endswith(".0") and not isinstance(cell, str)
    return text[:-2] if is_integer and text not in categories else text
