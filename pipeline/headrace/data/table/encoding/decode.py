"""What stored values of a table stand for, for people: categories by name, numbers and dates as the source has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from headrace.contracts import Json

UNKNOWN, MISSING = 0, 1  # ids of categorical inputs; from 2 on they are values


def column_places(transform: Json) -> dict[str, list[int]]:
    """Column -> the places of its stored inputs, in the order of the inputs; a date has several."""
    places: dict[str, list[int]] = {}
    for place, told in enumerate(transform["inputs"]):
        places.setdefault(told["column"], []).append(place)
    return places


def source_value(transform: Json, place: int, stored: float) -> str | float | None:
    """What the source had: a category, a number, an ISO date; None for a missing cell or an unknown category.

    `place` is that of the column's first input.
    """
    told = transform["inputs"][place]
    column = next(column for column in transform["columns"] if column["name"] == told["column"])
    if column["kind"] == "categorical":
        return str(column["values"][int(stored) - 2]) if stored > MISSING else None
    if stored != stored:  # noqa: PLR0124 NaN
        return None
    number: float = stored * column["unit"] + column["offset"]
    if column["kind"] == "date":
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)).date().isoformat()
    return number


def value_name(transform: Json, place: int, stored: float) -> str:
    """The same in words, for any stored value."""
    value = source_value(transform, place, stored)
    if value is None:
        return "unknown" if transform["inputs"][place]["kind"] == "categorical" and stored == UNKNOWN else "missing"
    return value if isinstance(value, str) else f"{value:.6g}"
