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
