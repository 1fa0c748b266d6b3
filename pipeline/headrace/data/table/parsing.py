"""Text cells as numbers and dates: one meaning for inference, cleaning and serving. Needs NumPy and Arrow alone."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Fields = dict[str, NDArray[np.int64]]

DateOrder = Literal["dmy", "mdy"]
"""What `03/04/2024` means: 3 April, or 4 March."""
# no thousands separators, percent signs or currencies: `1,234` is 1234 in one country and 1.234 in the next
NUMBER = r"(?i)^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)$"
ISO_DATE = r"^[1-9]\d{3}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?$"
TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
ZONE = r" ?(?:Z|UTC|(?P<sign>[+-])(?P<zone_hour>\d\d):?(?P<zone_minute>\d\d))"
DATE = (
    r"^(?:(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})"
    r"|(?P<first>\d{1,2})[-/.](?P<second_part>\d{1,2})[-/.](?P<last>\d{4}))"
    rf"(?:[T ]{TIME}(?:{ZONE})?)?$"
)


class Numbers(NamedTuple):
    """A column read as numbers."""

    values: NDArray[np.float64]
    """`[rows]`: NaN where the cell is missing or no number; may be infinite."""
    is_broken: NDArray[np.bool_]
    """`[rows]`: there is a cell, but it is no number."""


class Dates(NamedTuple):
    """A column read as dates."""

    values: NDArray[np.datetime64]
    """`[rows]`, microseconds: NaT where the cell is missing or no date; in UTC where it named a zone."""
    is_broken: NDArray[np.bool_]
    """`[rows]`: there is a cell, but no calendar has that date."""


def stripped(column: pa.Array) -> pa.Array:
    """Strings without white space around them; what is empty then is null."""
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    is_empty = pc.equal(text, "")
    return pc.if_else(is_empty, None, text) if pc.any(is_empty).as_py() else text


def numbers(column: pa.Array) -> Numbers:
    """Reads strings such as `3`, ` -1.5e3 ` or `inf`; `nan` is a missing cell."""
    try:
        return _numbers_of(column.cast(pa.float64()), column)
    except pa.ArrowInvalid:  # at least one is no plain number
        text = stripped(column)
        is_number = pc.match_substring_regex(text, NUMBER)
        # a plus before a word is the one spelling that Arrow refuses
        plain = pc.replace_substring_regex(pc.if_else(is_number, text, None), r"^\+", "")
        return _numbers_of(plain.cast(pa.float64()), text)


def _numbers_of(values: pa.Array, text: pa.Array) -> Numbers:
    is_broken = values.is_null().to_numpy(zero_copy_only=False) & text.is_valid().to_numpy(zero_copy_only=False)
    return Numbers(values.to_numpy(zero_copy_only=False).astype("f8", copy=False), is_broken)


def dates(column: pa.Array, order: DateOrder | None = None) -> Dates:
    """Reads ISO dates and times, and `3/4/2024` (also with `.` or `-`) in one order for the whole column.

    Without an `order` it is the one that fits more of the column's own cells.
    """
    text = stripped(column)
    if pc.all(pc.match_substring_regex(text, ISO_DATE)).as_py() is not False:
        try:
            values = text.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
            return Dates(values.astype("M8[us]"), np.zeros(len(values), np.bool_))
        except pa.ArrowInvalid:
            pass  # a 30 February: which one is found below
    fields = _fields(text)
    made = _calendar(fields, order or choose_order(*_count(fields)))
    return Dates(made, np.isnat(made) & text.is_valid().to_numpy(zero_copy_only=False))


def count_orders(column: pa.Array) -> tuple[int, int]:
    """Of the cells such as `3/4/2024`: how many are dates with the day first, and with the month first."""
    return _count(_fields(stripped(column)))


def choose_order(day_first: int, month_first: int) -> DateOrder:
    """The order that more cells fit; the day first where both fit equally."""
    return "mdy" if month_first > day_first else "dmy"


def _count(fields: Fields) -> tuple[int, int]:

    is_short = fields["last"] > 0
    valid = [~np.isnat(_calendar(fields, order)) & is_short for order in ("dmy", "mdy")]
    return int(valid[0].sum()), int(valid[1].sum())


def _fields(text: pa.Array) -> Fields:
    """The parts of each cell as numbers, -1 where it has none: all of them where it is no date at all."""
    found = pc.extract_regex(text, DATE)
    fields = {}
    for name, part in zip(found.type.names, found.flatten(), strict=True):
        if name == "sign":
            fields[name] = pc.equal(part, "-").fill_null(False).to_numpy(zero_copy_only=False).astype("i8")
            continue
        digits = pc.utf8_rpad(part, 6, "0") if name == "fraction" else part
        number = pc.utf8_slice_codeunits(digits, 0, 6) if name == "fraction" else digits
        number = pc.if_else(pc.equal(part, ""), "-1", number).fill_null("-1")
        fields[name] = number.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return fields


def _calendar(fields: Fields, order: DateOrder) -> NDArray[np.datetime64]:
    """`[rows]` of datetime64[us]; NaT where no calendar has the date, or no clock the time."""
    is_short = fields["last"] > 0
    day, month = ("first", "second_part") if order == "dmy" else ("second_part", "first")
    year = np.where(is_short, fields["last"], fields["year"])
    month_of = np.where(is_short, fields[month], fields["month"])
    day_of = np.where(is_short, fields[day], fields["day"])
    months = (np.clip(year, 0, None) - 1970).astype("M8[Y]").astype("M8[M]") + (month_of - 1).astype("m8[M]")
    days = months.astype("M8[D]") + (day_of - 1).astype("m8[D]")
    # a day that the month does not have lies in the next month
    is_date = (year >= 1) & (month_of >= 1) & (month_of <= 12) & (day_of >= 1) & (days.astype("M8[M]") == months)  # noqa: PLR2004
    made: NDArray[np.datetime64] = days.astype("M8[us]") + _clock(fields).astype("m8[us]")
    made[~is_date | (fields["hour"] > 23) | (fields["minute"] > 59) | (fields["second"] > 59)] = np.datetime64("NaT")  # noqa: PLR2004
    return made


def _clock(fields: Fields) -> NDArray[np.int64]:
    """`[rows]`: microseconds since midnight, UTC where the cell named a zone."""
    part = {name: np.clip(values, 0, None) for name, values in fields.items()}
    west = np.where(fields["sign"] == 1, 1, -1)
    minutes = part["hour"] * 60 + part["minute"] + west * (part["zone_hour"] * 60 + part["zone_minute"])
    clock: NDArray[np.int64] = (minutes * 60 + part["second"]) * 1_000_000 + part["fraction"]
    return clock
