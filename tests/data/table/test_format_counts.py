import pyarrow as pa
import pytest

from headrace.data.table.format_counts import (
    MAX_OTHERS,
    FormatCounts,
    choose_format,
    count_formats,
    describe_mixture,
    is_plain,
)
from headrace.data.table.number_format import NumberFormat


def counts(*cells: str | None) -> FormatCounts:
    return count_formats(pa.array(cells, pa.string()))


@pytest.mark.parametrize(
    ("cells", "fields"),
    [
        (["85,50", "412,90", "3"], (",", "")),
        (["412,900", "1,234,567"], (".", ",")),
        (["1,234", "1.5"], (".", ",")),
        (["1,234", "12,5"], (",", "")),
        (["1.234", "1.234.567"], (",", ".")),
        (["1.234", "12,5"], (",", ".")),
        (["1 234", "5"], (".", " ")),
        (["1 234,5"], (",", " ")),
        (["1'234.5"], (".", "'")),
        (["EUR 412", "EUR 1,300.5", "7"], (".", ",", "EUR")),
        (["12 %", "0,5 %"], (",", "", "%")),
        (["1.5", "2"], (".", "")),
        (["1.234", "12.345"], (".", "")),
        (["1e5", "3"], (".", "")),
    ],
)
def test_format_is_chosen_by_all_cells(cells: list[str], fields: tuple[str, ...]) -> None:
    chosen = choose_format(counts(*cells))
    assert (chosen.number_format, chosen.num_fitting) == (NumberFormat(*fields), len(cells))
    assert not chosen.is_ambiguous
    assert describe_mixture(counts(*cells), chosen) is None


def test_ambiguous_cells_go_by_the_rest_of_the_table() -> None:
    thousands = counts("1,234", "5,678")
    assert choose_format(thousands) == (NumberFormat(".", ","), 2, True)
    assert choose_format(thousands, likely_decimal=",") == (NumberFormat(","), 2, True)
    assert choose_format(thousands, decimal=",") == (NumberFormat(","), 2, False)
    points = counts("1.234", "5.678")
    assert choose_format(points).number_format == NumberFormat(".")
    assert choose_format(points, likely_decimal=",") == (NumberFormat(",", "."), 2, True)
    assert choose_format(counts("1 234"), likely_decimal=",").number_format == NumberFormat(",", " ")


def test_settings_limit_the_formats() -> None:
    assert choose_format(counts("1,5"), decimal=".").num_fitting == 0
    assert choose_format(counts("1,234"), thousands="").number_format == NumberFormat(",")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["1.5", "2,5", "3,7"], "numbers with decimal point ('1.5') and with decimal comma ('2,5')"),
        (["EUR 3", "USD 4"], "numbers with different units, ['EUR', 'USD']"),
    ],
)
def test_mixtures_are_described(cells: list[str], words: str) -> None:
    assert describe_mixture(counts(*cells), choose_format(counts(*cells))) == words


def test_a_rare_other_notation_is_no_mixture() -> None:
    cells = counts(*["1.5"] * 99, "2,5")
    assert describe_mixture(cells, choose_format(cells)) is None


def test_counts_of_parts_are_those_of_the_whole() -> None:
    cells = ["85,50", "1.234", "-", "..", "x", None, "", "123456789012345678", "7 %", "-"]
    parts = FormatCounts()
    for start in range(0, len(cells), 3):
        parts.add(counts(*cells[start : start + 3]))
    whole = counts(*cells)
    assert parts == whole
    assert (whole.num_cells, whole.num_numbers, whole.num_integers, whole.num_long) == (8, 4, 1, 1)
    assert whole.others == {"-": 2, "..": 1, "x": 1}


def test_others_are_limited() -> None:
    many = counts(*(f"word {index}" for index in range(2 * MAX_OTHERS)))
    many.add(counts(*(f"term {index}" for index in range(10)), "word 1"))
    assert (len(many.others), many.num_cells) == (MAX_OTHERS, 2 * MAX_OTHERS + 11)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2.5", None], True), (["0.30000000000000004"], True), (["1", "x"], False), (["1,5"], False),
        (["inf"], False), (["9007199254740991"], True), (["9007199254740993"], False), ([None], False), ([], False),
    ],
)  # fmt: skip
def test_is_plain(cells: list[str | None], expected: bool) -> None:
    assert is_plain(pa.array(cells, pa.string())) == expected
