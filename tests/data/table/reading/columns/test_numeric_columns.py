import pyarrow as pa
import pytest

from headrace.data.sources.read_options import TableFormat
from headrace.data.table.format_counts import FormatCounts, count_formats
from headrace.data.table.number_format import NumberFormat
from headrace.data.table.reading.columns.numeric_columns import check_uniform, decide_numeric, name_cells
from headrace.errors import DataError


def counts(cells: list[str]) -> FormatCounts:
    return count_formats(pa.array(cells, pa.string()))


@pytest.mark.parametrize("placeholder", ["-", "..", "--", "*", "n.a.", "N/A", "#N/A", "unknown", "not available"])
def test_placeholders_are_missing_in_a_column_of_numbers(placeholder: str) -> None:
    decision = decide_numeric(counts(["1.5"] * 60 + [placeholder] * 40), TableFormat())
    assert (decision.is_numeric, decision.missing) == (True, [placeholder])


@pytest.mark.parametrize(
    ("cells", "is_numeric"),
    [
        (["1"] * 95 + ["x"] * 5, True),
        (["1"] * 94 + ["x"] * 6, False),
        (["1"] * 40 + ["-"] * 60, False),  # mostly placeholders
        (["2", "3", "10", "J", "Q"], False),
        ([], False),
    ],
)
def test_other_cells_keep_a_column_from_being_numeric(cells: list[str], is_numeric: bool) -> None:
    assert decide_numeric(counts(cells), TableFormat()).is_numeric == is_numeric


def test_integers_beyond_float64_are_ids() -> None:
    accounts = [str(123456789012345678 + index) for index in range(30)]
    decision = decide_numeric(counts(accounts), TableFormat())
    assert (decision.is_numeric, decision.is_id) == (False, True)
    one_of_many = decide_numeric(counts([str(index) for index in range(100)] + accounts[:1]), TableFormat())
    assert (one_of_many.is_numeric, one_of_many.is_id) == (True, False)


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({}, (".", ",")), ({"decimal": ","}, (",",)), ({"thousands": "."}, (",",)), ({"thousands": ","}, (".", ",")),
    ],
)  # fmt: skip
def test_settings_decide_what_a_comma_means(settings: dict[str, str], fields: tuple[str, ...]) -> None:
    decision = decide_numeric(counts(["1,234", "5,678"]), TableFormat(**settings))
    assert decision.number_format == NumberFormat(*fields)
    assert decision.is_ambiguous == (not settings)


def test_contradictory_notations_are_refused_unless_settings_decide() -> None:
    mixed = counts(["1.5"] * 50 + ["2,5"] * 50)
    with pytest.raises(
        DataError,
        match=r"column 'price' contains numbers with decimal point \('1\.5'\) and with decimal comma \('2,5'\); .*"
        r" set ingest\.table\.decimal, or leave the column out \(ingest\.columns: {price: ignore}\)$",
    ):
        check_uniform("price", mixed, TableFormat())
    check_uniform("price", mixed, TableFormat(decimal=","))
    check_uniform("words", counts(["1.5", "2,5", *["x"] * 5]), TableFormat())


def test_cells_are_named_by_frequency() -> None:
    assert name_cells({"a": 1, "b": 2000, "c": 3, "d": 1}) == "'b' (2,000), 'c' (3), 'a' (1) and 1 others"
