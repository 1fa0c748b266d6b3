"""Decodes stored values of a table back to source values, for display."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from headrace.contracts import Json
from headrace.data.table.encoding.encode import MISSING, NUM_SPECIAL, UNKNOWN


def inputs_by_column(transform: Json) -> dict[str, list[int]]:
    """Column -> indices of its stored inputs; a date has several."""
    indices: dict[str, list[int]] = {}
    for index, entry in enumerate(transform["inputs"]):
        indices.setdefault(entry["column"], []).append(index)
    return indices


def decode_value(transform: Json, index: int, stored: float) -> str | float | None:
    """Returns a category, a number, an ISO date or a time; None for a missing cell or an unknown category.

    `index` is that of the column's first input.
    """
    name = transform["inputs"][index]["column"]
    column = next(column for column in transform["columns"] if column["name"] == name)
    if column["kind"] == "categorical":
        return str(column["values"][int(stored) - NUM_SPECIAL]) if stored > MISSING else None
    if stored != stored:  # noqa: PLR0124 NaN
        return None
    if column["kind"] == "time":
        hours, minutes = divmod(round(stored * 60), 60)
        return f"{hours % 24:02d}:{minutes:02d}"
    number: float = stored * column["unit"] + column["offset"]
    if column["kind"] == "date":
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)).date().isoformat()
    return number


def format_value(transform: Json, index: int, stored: float) -> str:
    """Formats the decoded value as text; a missing cell is `missing`, an unknown category `unknown`."""
    value = decode_value(transform, index, stored)
    if value is None:
        return "unknown" if transform["inputs"][index]["kind"] == "categorical" and stored == UNKNOWN else "missing"
    return value if isinstance(value, str) else f"{value:.6g}"
