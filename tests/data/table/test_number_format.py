import pyarrow as pa
import pytest

from headrace.data.table.number_format import PLAIN, NumberFormat, matches_format, remove_affixes, to_plain_notation


def plain(cells: list[str | None], *fields: str) -> list[str | None]:
    result: list[str | None] = to_plain_notation(pa.array(cells, pa.string()), NumberFormat(*fields)).to_pylist()
    return result


@pytest.mark.parametrize(
    ("fields", "cells", "expected"),
    [
        ((",", "."), ["85,50", "1.234,5", "1.234.567", "12", "-,5"], ["85.50", "1234.5", "1234567", "12", "-.5"]),
        ((",", "."), ["1.5", "12.34,5", "1,2,3", "x", None], [None] * 5),
        ((".", ","), ["412,900", "1,234.5", "12,34,567", "+3"], ["412900", "1234.5", "1234567", "3"]),
        ((".", ","), ["0,123", "1,23", "1,2345", "1.234,5"], [None] * 4),
        ((",", " "), ["1 234,5", "1\u00a0234", "1\u202f234\u202f567", "\u22125"], ["1234.5", "1234", "1234567", "-5"]),
        ((".", "'"), ["1'234.50", "1\u2019234"], ["1234.50", "1234"]),
        ((".", ",", "EUR"), ["EUR 412", "412 EUR", "-EUR5", "7"], ["412", "412", "-5", "7"]),
        ((".", "", "EUR"), ["USD 3", "412 %", "EUR", "EUREUR 5"], [None] * 4),
        ((".", "", "$"), ["$5", "-$5.5", "5$"], ["5", "-5.5", "5"]),
        ((",", "", "%"), ["12 %", "0,5%", "7"], ["12", "0.5", None]),  # 7 may be 700 %
    ],
)
def test_notations_become_plain(fields: tuple[str, ...], cells: list[str], expected: list[str | None]) -> None:
    assert plain(cells, *fields) == expected


def test_plain_notation_stays() -> None:
    assert plain(["3", "-1.5e3", ".5", "5.", "1,2"]) == ["3", "-1.5e3", ".5", "5.", None]


def test_affixes_are_named() -> None:
    bare, affixes = remove_affixes(pa.array(["12 kg", "US$ 3", "4 z\u0142", "5", "%"]))
    assert bare.to_pylist() == ["12 kg", "3", "4", "5", ""]
    assert affixes.to_pylist() == ["", "US$", "z\u0142", "", "%"]


def test_codes_and_dates_are_no_numbers() -> None:
    cells = pa.array(["12.05.2024", "192.168.1.1", "1.2.3", "10:30", "A12", "12-34", "1,2,3"])
    for fields in ((".", ""), (",", "."), (".", ","), (",", ""), (".", " ")):
        assert not any(matches_format(cells, NumberFormat(*fields)).to_pylist())


def test_format_is_described() -> None:
    assert str(NumberFormat(",", ".", "%")) == "decimal ',', thousands '.', with '%'"
    assert str(PLAIN) == "decimal '.'"
