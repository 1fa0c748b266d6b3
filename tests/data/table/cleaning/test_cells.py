import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Column, ColumnKind
from headrace.data.table.cleaning.cells import TypedColumn, read_columns


def typed(kind: ColumnKind, cells: list[str | None]) -> TypedColumn:
    return TypedColumn(pa.array(cells, pa.string()), kind)


@pytest.mark.parametrize(
    ("kind", "equal", "different"),
    [
        ("numeric", ["1", "1.0", " 1e0"], ["2", "-1"]),
        ("date", ["2020-01-02", "2020/1/2", "2020-01-02 00:00"], ["2020-01-03"]),
        ("categorical", ["a", " a ", "a"], ["A", "b"]),
    ],
)
def test_hashes_are_equal_for_equal_cells(kind: ColumnKind, equal: list[str], different: list[str]) -> None:
    hashes = typed(kind, [*equal, *different]).hashes.tolist()
    assert len(set(hashes)) == 1 + len(different)
    assert len(set(hashes[: len(equal)])) == 1


@pytest.mark.parametrize(("kind", "cells"), [("numeric", [None, "x"]), ("date", ["", "soon"]), ("text", [" ", None])])
def test_hashes_of_missing_and_broken_cells_are_zero(kind: ColumnKind, cells: list[str | None]) -> None:
    assert typed(kind, cells).hashes.tolist() == [0, 0]


def test_quantities_are_finite_numbers_or_days() -> None:
    np.testing.assert_array_equal(typed("numeric", ["1.5", "inf", "x", None]).quantities, [1.5, *[np.nan] * 3])
    np.testing.assert_array_equal(typed("date", ["1970-01-03 12:00", None]).quantities, [2.5, np.nan])
    assert typed("categorical", ["1"]).quantities is None


def test_quote_shortens_long_cells() -> None:
    column = typed("numeric", [" 1 ", "x" * 41])
    assert column.quote(0) == "' 1 '"
    assert column.quote(1) == f"'{'x' * 37}...'"


def test_read_columns_uses_the_given_date_order() -> None:
    batch = pa.record_batch({"d": ["03/04/2020"], "n": ["7"]})
    columns = [Column(name="d", kind="date"), Column(name="n", kind="numeric")]
    assert read_columns(batch, columns, {"d": "mdy"})["d"].dates.tolist()[0].month == 3
    assert read_columns(batch, columns, {"d": "dmy"})["d"].dates.tolist()[0].month == 4


def test_integers_beyond_float64_differ() -> None:
    hashes = typed("numeric", ["9007199254740993", "9007199254740992", " 9007199254740993", "5"]).hashes.tolist()
    assert hashes[0] == hashes[2]
    assert len(set(hashes)) == 3


def test_notation_and_missing_cells_of_the_column_apply() -> None:
    column = Column(name="x", kind="numeric", number_format={"decimal": ",", "thousands": "."}, missing=["-"])
    cells = read_columns(pa.record_batch({"x": ["1.234,5", "-", "x"]}), [column], {})["x"]
    np.testing.assert_array_equal(cells.numbers, [1234.5, np.nan, np.nan])
    assert cells.is_broken.tolist() == [False, False, True]


def test_times_are_hours() -> None:
    cells = typed("time", ["15:30", "3:30 PM", "x", None])
    np.testing.assert_array_equal(cells.quantities, [15.5, 15.5, np.nan, np.nan])
    assert cells.hashes[0] == cells.hashes[1]
    assert cells.is_broken.tolist() == [False, False, True, False]
