import numpy as np
import pyarrow as pa
import pytest

from headrace.data.table.cleaning.cell_checks import check_ranges, implausible_cells, outlying_cells, unparsable_cells
from headrace.data.table.cleaning.cells import TypedColumn
from headrace.data.table.cleaning.profile import profile_table
from headrace.errors import ConfigError
from tests.data.table.cleaning.helpers import OPTIONS, Batches, batch_of, spec_of


def typed(kind: str, cells: list[str | None]) -> TypedColumn:
    return TypedColumn(pa.array(cells, pa.string()), kind)


@pytest.mark.parametrize(
    ("kind", "cells", "check"),
    [
        ("numeric", ["1", "x", None, "nan", "1,5"], "mixed_types"),
        ("date", ["2020-01-01", "soon", None, "", "2020-02-30"], "impossible_date"),
    ],
)
def test_unparsable_cells_exclude_missing_ones(kind: str, cells: list[str | None], check: str) -> None:
    faults = unparsable_cells(typed(kind, cells))
    assert (faults.check, faults.rows.tolist()) == (check, [1, 4])


def test_implausible_cells_are_infinite_or_out_of_range() -> None:
    options = {"out_of_range": {"ranges": {"age": [0, 120], "open": [None, 5]}}}
    infinite, outside = implausible_cells(
        "age", typed("numeric", ["-1", "0", "120", "121", None, "inf", "-2e37"]), options
    )
    assert (infinite.rows.tolist(), infinite.reason) == ([5, 6], "is beyond 1e+37")
    assert (outside.rows.tolist(), outside.reason) == ([0, 3], "is outside 0 to 120")
    infinite, outside = implausible_cells("open", typed("numeric", ["-1e9", "5", "5.5", "x", "-inf"]), options)
    assert (infinite.rows.tolist(), outside.rows.tolist(), outside.reason) == ([4], [2], "is outside -inf to 5")


def test_implausible_cells_are_dates_outside_the_years() -> None:
    options = {"impossible_date": {"from": 2000, "to": 2020}}
    cells = typed("date", ["31/12/1999", "01/01/2000", "31/12/2020", "01/01/2021", None])
    (faults,) = implausible_cells("d", cells, options)
    assert (faults.rows.tolist(), faults.reason) == ([0, 3], "is outside the years 2000 to 2020")


@pytest.mark.parametrize(("kind", "cell"), [("numeric", "inf"), ("date", "1300-01-01")])
def test_implausible_cells_with_checks_off_are_none(kind: str, cell: str) -> None:
    assert list(implausible_cells("a", typed(kind, [cell]), {})) == []


def test_outlying_cells_lie_beyond_z_robust_deviations() -> None:
    cells = [*map(str, range(20)), "9999", None, "inf"]
    facts = profile_table(Batches(batch_of({"n": cells})), spec_of(n="numeric"), OPTIONS)["columns"]["n"]
    outliers = outlying_cells(typed("numeric", cells), facts, 8.0)
    assert outliers == [(20, "is 1347.5 robust deviations from the median 10")]


def test_outlying_cells_are_none_if_half_the_cells_are_equal() -> None:
    cells = ["0"] * 9 + ["99999"]
    facts = profile_table(Batches(batch_of({"gain": cells})), spec_of(gain="numeric"), OPTIONS)["columns"]["gain"]
    assert outlying_cells(typed("numeric", cells), facts, 8.0) == []


def test_check_ranges_accepts_open_ranges_and_rejects_text_columns() -> None:
    spec = spec_of(age="numeric", name="categorical")
    check_ranges(spec, {"out_of_range": {"ranges": {"age": [None, np.inf]}}})
    with pytest.raises(ConfigError, match=r"ranges: 'name' is not a numeric column; choose one of \['age'\]"):
        check_ranges(spec, {"out_of_range": {"ranges": {"name": [0, 1]}}})
