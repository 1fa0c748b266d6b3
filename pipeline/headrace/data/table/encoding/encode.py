"""Encodes table rows as float32 by `transform.json`, in `normalize` and in serving. Needs only NumPy and Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.data.text.token_ids import PADDING, TokenEncoder

Json = dict[str, Any]
Floats = NDArray[np.float64]

UNKNOWN, MISSING, NUM_SPECIAL = 0, 1, 2
"""Ids of a categorical input: a value absent or rare in train rows; a missing cell; the first value."""
EMPTY_CELLS = {"numeric": np.nan, "categorical": MISSING, "token": PADDING}
"""Kind of an input -> its stored value in a missing cell."""
CLOCK = ("day_sin", "day_cos")
"""Parts of a time of day, beside its hours."""
HOURS_PER_DAY = 24
DAY_US = 86_400_000_000
DAYS_PER_YEAR = 365.25
MAX_STORED = 1e30
"""Stored numbers are clipped to this magnitude: the network may divide them by 1e-7, and float32 ends at 3.4e38."""


def encode_batch(
    batch: pa.RecordBatch, transform: Json, token_encoders: Mapping[str, TokenEncoder] = MappingProxyType({})
) -> NDArray[np.float32]:
    """Encodes clean rows as `[rows, inputs]`: NaN for missing numbers, ids for categories, one input per date part.

    A text has one input per token, whose ids are exact as float32; `token_encoders` has that of each such column.
    """
    encoded = np.empty((batch.num_rows, len(transform["inputs"])), np.float32)
    index = 0
    for column in transform["columns"]:
        cells = batch.column(column["name"])
        if column["kind"] == "text":
            end = index + column["max_tokens"]
            encoded[:, index:end] = token_encoders[column["name"]].encode_cells(cells.to_pylist())
            index = end
            continue
        for values in _encode_column(cells, column):
            encoded[:, index] = values
            index += 1
    return encoded


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
        values = _extract_part(part, array) if part else array.astype(np.float64)
        if part in {"", "days", "hours"}:
            values = np.clip((values - column["offset"]) / column["unit"], -MAX_STORED, MAX_STORED)
        yield values


def _extract_part(part: str, array: NDArray[Any]) -> Floats:
    """A part of dates, or of times as hours since midnight."""
    if np.issubdtype(array.dtype, np.datetime64):
        return extract_date_part(part, array)
    hours: Floats = array.astype(np.float64)
    if part == "hours":
        return hours
    angle: Floats = 2 * np.pi * hours / HOURS_PER_DAY
    return np.sin(angle) if part == "day_sin" else np.cos(angle)


def _ids(cells: pa.Array, values: list[str]) -> NDArray[np.int32]:
    indices = pc.index_in(cells, value_set=pa.array(values, pa.string())).cast(pa.int32())
    ids = pc.if_else(cells.is_null(), MISSING, pc.add(indices, NUM_SPECIAL).fill_null(UNKNOWN))
    array: NDArray[np.int32] = ids.to_numpy(zero_copy_only=False)
    return array
