"""Parses text cells as numbers and dates, the same way for inference, cleaning and serving.

Serving imports this module: it depends on NumPy and Arrow alone.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.data.table.number_format import PLAIN, NumberFormat, to_plain_notation

Fields = dict[str, NDArray[np.int64]]

DateOrder = Literal["dmy", "mdy"]
"""Whether `03/04/2024` is 3 April or 4 March."""
# no thousands separators, percent signs or currencies: what `1,234` means is a property of a column (NumberFormat)
NUMBER = r"(?i)^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)$"
ISO_DATE = r"^[1-9]\d{3}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?$"
TIME = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
)
ZONE = r" ?(?:Z|UTC|(?P<sign>[+-])(?P<zone_hour>\d\d):?(?P<zone_minute>\d\d))"
DATE = (
    r"^(?:(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"
    r"|(?P<first>\d{1,2})[-/.](?P<second_part>\d{1,2})[-/.](?P<last>\d{4}))"
    rf"(?:(?:T|,? ){TIME}(?:{ZONE})?)?$"
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,? )?"
NAMED_DATE = (
    rf"(?i)^{WEEKDAY}(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:[-/. ]|\. )(?P<month>{MONTH}),?[-/. ](?P<year>\d{{4}})"
    rf"|(?P<month_first>{MONTH}) (?P<day_second>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year_last>\d{{4}}))"
    r"(?P<rest>(?:T|,? )\d.*)?$"
)
"""`5-Jan-2024`, `January 5th, 2024`: English names of months."""
LARGEST = 1e37
"""Numbers of a larger magnitude count as infinite: the network computes in float32, which ends at 3.4e38."""
NOON, PM = 12, 2
NO_TIME = 99
"""An hour that does not exist."""


class ParsedNumbers(NamedTuple):
    """A column parsed as numbers."""

    values: NDArray[np.float64]
    """`[rows]`: NaN where the cell is missing or invalid; may be infinite."""
    is_invalid: NDArray[np.bool_]
    """`[rows]`: the cell has a value that is not a number."""


class ParsedDates(NamedTuple):
    """A column parsed as dates."""

    values: NDArray[np.datetime64]
    """`[rows]`, microseconds: NaT where the cell is missing or invalid; converted to UTC where it has a time zone."""
    is_invalid: NDArray[np.bool_]
    """`[rows]`: the cell has a value that is not a date."""


def strip_whitespace(column: pa.Array) -> pa.Array:
    """Strings without surrounding whitespace; cells that are then empty become null."""
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    is_empty = pc.equal(text, "")
    return pc.if_else(is_empty, None, text) if pc.any(is_empty).as_py() else text


def parse_numbers(column: pa.Array, number_format: NumberFormat = PLAIN) -> ParsedNumbers:
    """Parses strings such as `3`, ` -1.5e3 ` or `inf`, or those of another format; `nan` counts as missing."""
    if number_format != PLAIN:
        text = strip_whitespace(column)
        return _to_parsed_numbers(to_plain_notation(text, number_format).cast(pa.float64()), text)
    try:
        return _to_parsed_numbers(column.cast(pa.float64()), column)
    except pa.ArrowInvalid:  # at least one cell is not a plain number
        text = strip_whitespace(column)
        is_number = pc.match_substring_regex(text, NUMBER)
        # the only spelling that Arrow rejects: a leading plus
        plain = pc.replace_substring_regex(pc.if_else(is_number, text, None), r"^\+", "")
        return _to_parsed_numbers(plain.cast(pa.float64()), text)


def parse_dates(column: pa.Array, order: DateOrder | None = None) -> ParsedDates:
    """Parses ISO dates and times, and `3/4/2024` (also with `.` or `-`) in one order for the whole column.

    Without an `order`, the one that more of the column's cells fit is used.
    """
    text = strip_whitespace(column)
    if pc.all(pc.match_substring_regex(text, ISO_DATE)).as_py() is not False:
        try:
            values = text.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
            return ParsedDates(values.astype("M8[us]"), np.zeros(len(values), np.bool_))
        except pa.ArrowInvalid:
            pass  # such as 30 February: the slower path below marks the invalid cells
    fields = _extract_fields(text)
    dates = _to_datetimes(fields, order or choose_date_order(*_count_valid_by_order(fields)))
    return ParsedDates(dates, np.isnat(dates) & text.is_valid().to_numpy(zero_copy_only=False))


def parse_times(column: pa.Array) -> ParsedNumbers:
    """Parses times of day, such as `15:04`, `3:04 PM` or `15:04:05.25`, as hours since midnight."""
    text = strip_whitespace(column)
    fields = _extract_time(pc.extract_regex(text, f"^{TIME}$"))
    is_time = (fields["hour"] >= 0) & _is_time(fields)
    hours = np.where(is_time, _microseconds_of_day(fields) / 3_600_000_000, np.nan)
    return ParsedNumbers(hours, ~is_time & text.is_valid().to_numpy(zero_copy_only=False))


def count_date_orders(column: pa.Array) -> tuple[int, int]:
    """How many cells such as `3/4/2024` are valid day first, and how many are valid month first."""
    return _count_valid_by_order(_extract_fields(strip_whitespace(column)))


def choose_date_order(num_day_first: int, num_month_first: int) -> DateOrder:
    """The order that fits more cells; day first where both fit equally many."""
    return "mdy" if num_month_first > num_day_first else "dmy"


def _to_parsed_numbers(values: pa.Array, text: pa.Array) -> ParsedNumbers:
    is_invalid = values.is_null().to_numpy(zero_copy_only=False) & text.is_valid().to_numpy(zero_copy_only=False)
    return ParsedNumbers(values.to_numpy(zero_copy_only=False).astype("f8", copy=False), is_invalid)


def _count_valid_by_order(fields: Fields) -> tuple[int, int]:
    has_order = fields["last"] > 0
    valid = [~np.isnat(_to_datetimes(fields, order)) & has_order for order in ("dmy", "mdy")]
    return int(valid[0].sum()), int(valid[1].sum())


def _extract_fields(text: pa.Array) -> Fields:
    """The components of each cell as numbers; -1 for absent ones, and for all of them if the cell is not a date."""
    return _extract_time(pc.extract_regex(_replace_month_names(text), DATE))


def _extract_time(matches: pa.StructArray) -> Fields:
    """The components as numbers, the hour of 24."""
    fields = {}
    for name, part in zip(matches.type.names, matches.flatten(), strict=True):
        if name in {"sign", "half"}:
            fields[name] = pc.index_in(pc.utf8_lower(part), value_set=pa.array(["-", "a", "p"])).fill_null(-1)
            fields[name] = fields[name].to_numpy(zero_copy_only=False).astype("i8")
            continue
        digits = pc.utf8_rpad(part, 6, "0") if name == "fraction" else part
        number = pc.utf8_slice_codeunits(digits, 0, 6) if name == "fraction" else digits
        number = pc.if_else(pc.equal(part, ""), "-1", number).fill_null("-1")
        fields[name] = number.cast(pa.int64()).to_numpy(zero_copy_only=False)
    hour, half = fields["hour"], fields["half"]
    of_day = np.where((hour >= 1) & (hour <= NOON), hour % NOON + NOON * (half == PM), NO_TIME)
    return fields | {"hour": np.where(half >= 0, of_day, hour)}


def _replace_month_names(text: pa.Array) -> pa.Array:
    """Writes dates with the name of a month as year, month and day."""
    if not pc.any(pc.match_substring_regex(text, NAMED_DATE)).as_py():
        return text
    part = pc.extract_regex(text, NAMED_DATE)
    year, day, month = (
        pc.binary_join_element_wise(pc.struct_field(part, first), pc.struct_field(part, second), "")
        for first, second in (("year", "year_last"), ("day", "day_second"), ("month", "month_first"))
    )
    number = pc.index_in(pc.utf8_lower(pc.utf8_slice_codeunits(month, 0, 3)), value_set=pa.array(MONTHS))
    date = pc.binary_join_element_wise(year, pc.add(number, 1).cast(pa.string()), day, "-")
    return pc.coalesce(pc.binary_join_element_wise(date, pc.struct_field(part, "rest"), ""), text)


def _to_datetimes(fields: Fields, order: DateOrder) -> NDArray[np.datetime64]:
    """`[rows]` of datetime64[us]; NaT where the date or the time does not exist."""
    has_order = fields["last"] > 0
    day_field, month_field = ("first", "second_part") if order == "dmy" else ("second_part", "first")
    year = np.where(has_order, fields["last"], fields["year"])
    month = np.where(has_order, fields[month_field], fields["month"])
    day = np.where(has_order, fields[day_field], fields["day"])
    months = (np.clip(year, 0, None) - 1970).astype("M8[Y]").astype("M8[M]") + (month - 1).astype("m8[M]")
    days = months.astype("M8[D]") + (day - 1).astype("m8[D]")
    # a day that the month does not have falls into the next month
    is_date = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("M8[M]") == months)  # noqa: PLR2004
    moments: NDArray[np.datetime64] = days.astype("M8[us]") + _microseconds_of_day(fields).astype("m8[us]")
    moments[~(is_date & _is_time(fields))] = np.datetime64("NaT", "us")  # NumPy 2.5 deprecates one without a unit
    return moments


def _is_time(fields: Fields) -> NDArray[np.bool_]:
    """`[rows]`: whether the time exists, or is absent."""
    exists: NDArray[np.bool_] = (fields["hour"] <= 23) & (fields["minute"] <= 59) & (fields["second"] <= 59)  # noqa: PLR2004
    return exists


def _microseconds_of_day(fields: Fields) -> NDArray[np.int64]:
    """`[rows]`: microseconds since midnight, in UTC where the cell has a time zone."""
    part = {name: np.clip(values, 0, None) for name, values in fields.items()}
    minutes = part["hour"] * 60 + part["minute"]
    if "sign" in part:
        west = np.where(fields["sign"] == 0, 1, -1)
        minutes = minutes + west * (part["zone_hour"] * 60 + part["zone_minute"])
    microseconds: NDArray[np.int64] = (minutes * 60 + part["second"]) * 1_000_000 + part["fraction"]
    return microseconds
