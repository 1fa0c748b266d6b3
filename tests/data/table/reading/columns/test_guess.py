import pyarrow as pa
import pytest

from headrace.contracts import Column
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.number_format import PLAIN, NumberFormat
from headrace.data.table.reading.columns.guess import (
    ColumnGuess,
    GuessedColumns,
    guess_columns,
    to_plain_column,
    to_plain_labels,
)
from headrace.errors import DataError

AMBIGUOUS = ["1,234", "5,678"]


def guessed(columns: dict[str, list[str]], /, **options: object) -> GuessedColumns:
    return guess_columns(pa.table(columns), ReadOptions(**options))


def formats(columns: dict[str, list[str]], /, **options: object) -> dict[str, NumberFormat]:
    return {name: guess.number_format for name, guess in guessed(columns, **options).by_name.items()}


@pytest.mark.parametrize(
    ("other", "options", "fields"),
    [
        (["12,5", "3,75"], {}, (",",)),  # the other column shows a decimal comma
        (["12.5", "3.75"], {}, (".", ",")),
        (["a", "b"], {}, (".", ",")),
        (["a", "b"], {"table": {"delimiter": ";"}}, (",",)),
        (["12.5", "3.75"], {"table": {"delimiter": ";"}}, (".", ",")),
        (["a", "b"], {"table": {"decimal": ","}}, (",",)),
    ],
)
def test_an_ambiguous_column_goes_by_the_others(other: list[str], options: dict, fields: tuple[str, ...]) -> None:
    assert formats({"x": AMBIGUOUS, "other": other}, **options)["x"] == NumberFormat(*fields)


def test_points_are_thousands_beside_a_decimal_comma() -> None:
    assert formats({"x": ["1.234", "999"], "y": ["1,5", "2"]}) == {"x": NumberFormat(",", "."), "y": NumberFormat(",")}
    assert formats({"x": ["1.234", "999"], "y": ["1.5", "2"]}) == {"x": PLAIN, "y": PLAIN}


def test_settings_come_first() -> None:
    columns = {"x": AMBIGUOUS, "y": ["3", "x"], "z": ["1", "2"], "split": ["train", "test"]}
    settings = {"x": "categorical", "y": "numeric", "z": "ignore"}
    guesses = guessed(columns, columns=settings, split_column="split").by_name
    assert {name: guess.kind for name, guess in guesses.items()} == {"x": "categorical", "y": "numeric"}


def test_contradictory_columns_are_refused() -> None:
    with pytest.raises(DataError, match=r"column 'x' contains numbers with different units"):
        guessed({"x": ["EUR 3", "USD 4"], "y": ["a", "b"]})


def test_columns_of_the_spec_hold_what_is_not_plain() -> None:
    guess = ColumnGuess("numeric", NumberFormat(","), ("-",))
    assert guess.to_column("x", ReadOptions()) == Column(
        name="x", kind="numeric", number_format={"decimal": ",", "thousands": "", "affix": ""}, missing=["-"]
    )
    assert ColumnGuess("numeric").to_column("x", ReadOptions()) == Column(name="x", kind="numeric")
    set_order = ReadOptions(table={"date_order": "mdy"})
    assert ColumnGuess("date").to_column("x", set_order).date_order == "mdy"


def test_plain_columns_and_labels() -> None:
    guess = ColumnGuess("numeric", NumberFormat(","), ("-",))
    cells = pa.array(["1,5", "-", "x", None])
    assert to_plain_column(cells, guess).to_pylist() == ["1.5", None, None, None]
    assert to_plain_labels(cells, guess).to_pylist() == ["1.5", None, "x", None]
