"""Rows of a table to float32 by `transform.json`, in `normalize` as in serving. Needs NumPy and Arrow alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.data.table.parsing import count_orders, dates, numbers, stripped

Json = dict[str, Any]
Floats = NDArray[np.float64]

NUM_SPECIAL = 2
"""Ids before those of values: 0 is a value that train rows did not have, or too rarely; 1 is a missing cell."""
DAY_US = 86_400_000_000
DAYS_A_YEAR = 365.25
FARTHEST = 1e30
"""Stored numbers end here: a network's float32, which may divide them by 1e-7, ends at 3.4e38."""


def encode(batch: pa.RecordBatch, transform: Json) -> NDArray[np.float32]:
    """Clean rows -> `[rows, inputs]`: NaN for missing numbers, ids for categories, a number for each part of a date."""
    made = np.empty((batch.num_rows, len(transform["inputs"])), np.float32)
    place = 0
    for column in transform["columns"]:
        for values in _inputs(batch.column(column["name"]), column):
            made[:, place] = values
            place += 1
    return made


def batch_from_rows(rows: Sequence[Json], transform: Json) -> pa.RecordBatch:
    """Rows as a caller sends them (column -> text, number, date or None) as `encode` takes them.

    What is missing, or is no number in a numeric column, is null: training read such cells so too. Columns that the
    transform does not know are left aside. Raises ValueError for dates such as 3/4/2024,
    where no train row told whether the day or the month is first.
    """
    columns = {
        column["name"]: _typed([row.get(column["name"]) for row in rows], column) for column in transform["columns"]
    }
    return pa.record_batch(columns)


def date_part(name: str, moments: NDArray[np.datetime64]) -> Floats:
    """One number of each date (NaN for NaT): `days` since 1970, or a cycle's `year_sin`, `year_cos`, `week_sin`..."""
    microseconds = moments.astype("M8[us]").view("i8")
    if name == "days":
        days: Floats = np.where(np.isnat(moments), np.nan, microseconds / DAY_US)
        return days
    cycle, wave = name.split("_")
    angle: Floats = 2 * np.pi * np.where(np.isnat(moments), np.nan, _turn(cycle, moments, microseconds))
    return np.sin(angle) if wave == "sin" else np.cos(angle)


def _turn(cycle: str, moments: NDArray[np.datetime64], microseconds: NDArray[np.int64]) -> Floats:
    """How much of a cycle has passed, in [0, 1)."""
    day = microseconds // DAY_US
    if cycle == "year":
        new_year: NDArray[np.int64] = moments.astype("M8[Y]").astype("M8[D]").view("i8")
        return (day - new_year) / DAYS_A_YEAR
    if cycle == "week":
        return (day + 3) % 7 / 7  # 1970 began with a Thursday; a week begins with Monday
    return (microseconds % DAY_US) / DAY_US


def _inputs(values: pa.Array, column: Json) -> Iterator[NDArray[Any]]:
    """What is stored of one clean column: one array, or one for each part of a date."""
    if column["kind"] == "categorical":
        yield _ids(values, column["values"])
        return
    given = values.to_numpy(zero_copy_only=False)
    for part in column.get("parts", [""]):
        found = date_part(part, given) if part else given.astype(np.float64)
        if part in {"", "days"}:
            found = np.clip((found - column["offset"]) / column["unit"], -FARTHEST, FARTHEST)
        yield found


def _ids(values: pa.Array, known: list[str]) -> NDArray[np.int32]:

    found = pc.index_in(values, value_set=pa.array(known, pa.string())).cast(pa.int32())
    ids = pc.if_else(values.is_null(), 1, pc.add(found, NUM_SPECIAL).fill_null(0))
    numbered: NDArray[np.int32] = ids.to_numpy(zero_copy_only=False)
    return numbered


def _typed(cells: list[Any], column: Json) -> pa.Array:

    known = set(column.get("values", ()))
    text = pa.array([_text(cell, known) for cell in cells], pa.string())
    if column["kind"] == "categorical":
        return stripped(text)
    if column["kind"] == "date":
        return pa.array(_moments(text, column), pa.timestamp("us"))
    values = numbers(text).values
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def _moments(text: pa.Array, column: Json) -> NDArray[np.datetime64]:
    """Dates in the order of the train rows'; else in that which fits more, and where both do, nothing tells."""
    if column.get("order"):
        return dates(text, column["order"]).values
    day_first, month_first = count_orders(text)
    found, other = (dates(text, order).values for order in ("dmy", "mdy"))
    differs = np.flatnonzero((found != other) & ~np.isnat(found) & ~np.isnat(other))
    if day_first == month_first and len(differs):
        cell = text[int(differs[0])].as_py()
        raise ValueError(f"column {column['name']!r}: {cell!r} may have the day or the month first; send YYYY-MM-DD")
    return other if month_first > day_first else found


def _text(cell: Any, known: set[str]) -> str | None:
    """A cell as the source's text has it: 3.0 is `3` unless the column's values are written as `3.0`."""
    if cell is None or type(cell).__name__ in {"NAType", "NaTType"} or cell != cell:  # noqa: PLR0124 NaN
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    text = str(cell)
    is_whole = text.endswith(".0") and not isinstance(cell, str)
    return text[:-2] if is_whole and text not in known else text
