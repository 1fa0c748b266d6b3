from typing import Any

import pyarrow as pa
import pytest

from headrace.data.table.cleaning.cells import TypedColumn
from headrace.data.table.cleaning.contract_cells import find_cell_breaches, repair_cells
from headrace.data.table.number_format import NumberFormat

DAY = 86_400e6


def options_of(test: str, **options: Any) -> dict[str, Any]:
    rule = {"subject": "cell", "column": "c_", "name": "c", "key": f"columns.c.{test}", "test": test, **options}
    return {"contract_repair": {"rules": [rule]}}


NUMBERS = TypedColumn(pa.array(["1", None, "7", "x", "-3"]), "numeric")
WORDS = TypedColumn(pa.array(["red", " blue ", None, "Red"]), "categorical")
DATES = TypedColumn(pa.array(["1970-01-01", None, "1970-01-05"]), "date")
TIMES = TypedColumn(pa.array(["08:30", "23:00"]), "time")
GERMAN = TypedColumn(pa.array(["1.200,5", "7,0"]), "numeric", number_format=NumberFormat(",", "."))


@pytest.mark.parametrize(
    ("cells", "options", "expected"),
    [
        (NUMBERS, options_of("range", low=0, high=5), {2: "'7' is outside 0 to 5", 4: "'-3' is outside 0 to 5"}),
        (NUMBERS, options_of("range", low=0, high=float("inf")), {4: "'-3' is outside 0 to inf"}),
        (NUMBERS, options_of("values", allowed=[1, 7.0]), {4: "'-3' is not allowed"}),
        (NUMBERS, options_of("required"), {1: "has no value", 3: "has no value"}),
        (WORDS, options_of("values", allowed=["red", "blue"]), {3: "'Red' is not allowed"}),
        (WORDS, options_of("pattern", regex="[a-z]+"), {3: "'Red' does not match the pattern"}),
        (WORDS, options_of("pattern", regex="r|blue"), {0: "'red' does not", 3: "'Red' does not match the pattern"}),
        (WORDS, options_of("required"), {2: "has no value"}),
        (DATES, options_of("range", low=0, high=2 * DAY), {2: "'1970-01-05' is outside 1970-01-01T00:00:00.000000 to"}),
        (TIMES, options_of("range", low=6, high=22), {1: "'23:00' is outside 6 to 22"}),
        (GERMAN, options_of("range", low=0, high=1000), {0: "'1.200,5' is outside 0 to 1000"}),
    ],
)
def test_broken_cells_are_named(cells: TypedColumn, options: dict[str, Any], expected: dict[int, str]) -> None:
    found = {finding.row: finding.reason for finding in find_cell_breaches({"c_": cells}, options)}
    assert found.keys() == expected.keys()
    key = options["contract_repair"]["rules"][0]["key"]
    for row, reason in expected.items():
        assert found[row].startswith(f"c: {reason}")
        assert found[row].endswith(f"(contract.yaml: {key})")


@pytest.mark.parametrize(
    ("cells", "clean", "options", "repaired", "rows"),
    [
        (NUMBERS, [1.0, None, 7.0, None, -3.0], options_of("range", low=0, high=5), [1, None, 5, None, 0], [2, 4]),
        (NUMBERS, [1.0, None, 7.0, None, -3.0], options_of("values", allowed=[1]), [1, None, None, None, None], [2, 4]),
        (WORDS, ["red", "blue", None, "Red"], options_of("values", allowed=["red"]), ["red", None, None, None], [1, 3]),
        (WORDS, ["red", "blue", None, "Red"], options_of("pattern", regex=".*e.*"), ["red", "blue", None, "Red"], []),
    ],
)
def test_repair_sets_the_limit_or_empties_the_cell(
    cells: TypedColumn, clean: list[Any], options: dict[str, Any], repaired: list[Any], rows: list[int]
) -> None:
    column, changed = repair_cells("c_", pa.array(clean), cells, options)
    assert (column.to_pylist(), changed) == (repaired, rows)
    unchanged, none = repair_cells("other", pa.array(clean), cells, options)
    assert (unchanged.to_pylist(), none) == (clean, [])


def test_repair_of_dates_keeps_their_type() -> None:
    clean = pa.array([0, None, int(4 * DAY)], pa.timestamp("us"))
    column, changed = repair_cells("c_", clean, DATES, options_of("range", low=-float("inf"), high=2 * DAY))
    assert column.equals(pa.array([0, None, int(2 * DAY)], pa.timestamp("us")))
    assert changed == [2]
