import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.data.table.number_format import NumberFormat
from headrace.data.table.parsing import (
    choose_date_order,
    count_date_orders,
    parse_dates,
    parse_numbers,
    parse_times,
)


def strings(*cells: str | None) -> pa.Array:
    return pa.array(cells, pa.string())


@pytest.mark.parametrize(
    ("cell", "value"),
    [("3", 3), (" -1.5 ", -1.5), ("+5", 5), (".5", 0.5), ("5.", 5), ("1e-3", 0.001), ("1E400", math.inf),
     ("-inf", -math.inf), ("+Infinity", math.inf), ("\t7\n", 7)],
)  # fmt: skip
def test_parse_numbers_accepts_float_notations(cell: str, value: float) -> None:
    read = parse_numbers(strings(cell, "x"))
    assert read.values[0] == value
    assert read.is_invalid.tolist() == [False, True]


@pytest.mark.parametrize(
    "cell", ["1,234", "12%", "$5", "0x10", "1_0", "1 000", "--5", "e5", ".", "x", "true", "٣", "1\x00"]
)
def test_parse_numbers_rejects_ambiguous_notations(cell: str) -> None:
    read = parse_numbers(strings(cell))
    assert math.isnan(read.values[0])
    assert read.is_invalid.tolist() == [True]


@pytest.mark.parametrize("cell", [None, "", "   ", "nan", "NaN", "-nan"])
def test_parse_numbers_missing_cells_are_not_invalid(cell: str | None) -> None:
    read = parse_numbers(strings(cell, "1"))
    assert math.isnan(read.values[0])
    assert not read.is_invalid.any()


@given(st.lists(st.one_of(st.floats().map(repr), st.none(), st.text(max_size=4)), max_size=20))
def test_parse_numbers_treats_cells_independently(cells: list[str | None]) -> None:
    together = parse_numbers(strings(*cells))
    alone = [parse_numbers(strings(cell)) for cell in cells]
    np.testing.assert_array_equal(together.values, [float(parsed.values[0]) for parsed in alone])
    assert together.is_invalid.tolist() == [bool(parsed.is_invalid[0]) for parsed in alone]


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_parse_numbers_is_exact(values: list[float]) -> None:
    assert parse_numbers(strings(*map(repr, values))).values.tolist() == values


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2020-02-29", "2020-02-29T00:00:00"),
        (" 2020-2-9 ", "2020-02-09T00:00:00"),
        ("2020/02/09", "2020-02-09T00:00:00"),
        ("2020-01-05 10:30", "2020-01-05T10:30:00"),
        ("2020-01-05T10:30:15.25", "2020-01-05T10:30:15.250000"),
        ("2020-01-05T10:30:15.123456789", "2020-01-05T10:30:15.123456"),
        ("2020-01-05T10:00:00Z", "2020-01-05T10:00:00"),
        ("2020-01-01T01:00:00+02:00", "2019-12-31T23:00:00"),
        ("2020-01-05 10:00 -0230", "2020-01-05T12:30:00"),
        ("0001-01-01", "0001-01-01T00:00:00"),
        ("9999-12-31", "9999-12-31T00:00:00"),
        ("25/12/2020", "2020-12-25T00:00:00"),
        ("3.4.2021 7:05", "2021-04-03T07:05:00"),
    ],
)
def test_parse_dates_accepts_iso_and_day_first(cell: str, moment: str) -> None:
    for others in ((), ("x",)):  # with the fast path and without
        read = parse_dates(strings(cell, *others))
        assert read.values[0] == np.datetime64(moment, "us")
        assert read.is_invalid.tolist() == [False] + [True] * len(others)


@pytest.mark.parametrize(
    "cell",
    ["2020-02-30", "2021-02-29", "2020-13-01", "2020-00-10", "0000-01-01", "2020-01-01 24:00", "2020-01-01 10:00:61",
     "31/04/2020", "13/13/2020", "20200105", "5/1/20", "yesterday", "2020-01", "99999-01-01"],
)  # fmt: skip
def test_parse_dates_rejects_nonexistent_dates(cell: str) -> None:
    read = parse_dates(strings(cell, None, ""))
    assert np.isnat(read.values).all()
    assert read.is_invalid.tolist() == [True, False, False]


def test_parse_dates_uses_one_order_per_column() -> None:
    column = strings("12/25/2020", "03/04/2020", None)
    assert count_date_orders(column) == (1, 2)
    assert parse_dates(column).values[1] == np.datetime64("2020-03-04")
    assert parse_dates(column, "dmy").is_invalid.tolist() == [True, False, False]
    assert choose_date_order(5, 5) == "dmy"


@given(st.datetimes())
def test_parse_dates_reads_python_datetimes(moment) -> None:
    assert parse_dates(strings(str(moment), moment.isoformat())).values.tolist() == [moment, moment]


@given(
    st.lists(st.from_regex(r"\A[0-3]\d{3}-[0-3]\d-[0-3]\d([T ][0-2]\d:[0-6]\d(:[0-6]\d(\.\d{1,7})?)?)?\Z"), max_size=5)
)
def test_parse_dates_treats_iso_cells_independently(cells: list[str]) -> None:
    together = parse_dates(strings(*cells, "x")).values[:-1]  # never on the fast path
    np.testing.assert_array_equal(together, [parse_dates(strings(cell)).values[0] for cell in cells])


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("1/25/2024 3:04 PM", "2024-01-25T15:04:00"),
        ("1/25/2024 12:04 a.m.", "2024-01-25T00:04:00"),
        ("25.1.2024, 12:00:01 pm", "2024-01-25T12:00:01"),
        ("5-Jan-2024", "2024-01-05T00:00:00"),
        ("5 january 2024 15:04", "2024-01-05T15:04:00"),
        ("January 5th, 2024", "2024-01-05T00:00:00"),
        ("Sept. 30 2024", "2024-09-30T00:00:00"),
        ("Mon, 5 Feb 2024 10:00:00 +0200", "2024-02-05T08:00:00"),
        ("2024.01.05", "2024-01-05T00:00:00"),
    ],
)
def test_parse_dates_accepts_names_of_months_and_both_clocks(cell: str, moment: str) -> None:
    read = parse_dates(strings(cell, "x", None))
    assert read.values[0] == np.datetime64(moment, "us")
    assert read.is_invalid.tolist() == [False, True, False]


@pytest.mark.parametrize(
    "cell", ["30 Feb 2024", "5-Jan-24", "5 Janitor 2024", "Jan 2024", "1/25/2024 13:04 PM", "1/25/2024 0:04 am"]
)
def test_parse_dates_rejects_dates_that_do_not_exist_or_are_unclear(cell: str) -> None:
    assert parse_dates(strings(cell)).is_invalid.tolist() == [True]


def test_parse_times_as_hours() -> None:
    read = parse_times(strings("15:04", "3:04 PM", "12:00 am", "15:04:30.000000", "24:00", "7", None))
    np.testing.assert_allclose(read.values, [15 + 4 / 60, 15 + 4 / 60, 0, 15.075, math.nan, math.nan, math.nan])
    assert read.is_invalid.tolist() == [False, False, False, False, True, True, False]


def test_parse_numbers_in_another_notation() -> None:
    read = parse_numbers(strings(" 1.234,5 ", "1.5", None, ""), NumberFormat(",", "."))
    assert read.values[0] == 1234.5
    assert read.is_invalid.tolist() == [False, True, False, False]
