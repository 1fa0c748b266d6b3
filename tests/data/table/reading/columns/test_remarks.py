import pyarrow as pa
import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.columns.guess import guess_columns
from headrace.data.table.reading.columns.remarks import (
    assume_column,
    assume_ids,
    assume_index,
    assume_target,
    assume_texts,
    find_index_columns,
    is_id,
)

NUMBERS = ["5", "0", "3"]


def column_texts(cells: list[str]) -> list[str]:
    guess = guess_columns(pa.table({"x": cells}), ReadOptions()).by_name["x"]
    return [assumption.text for assumption in assume_column("x", guess, pa.array(cells), guess.kind)]


@pytest.mark.parametrize(
    ("columns", "options", "found"),
    [
        ({"column_0": NUMBERS, "a": NUMBERS}, {}, ["column_0"]),
        ({"a": NUMBERS, "Unnamed: 0": NUMBERS, "Unnamed: 0.1": NUMBERS}, {}, ["Unnamed: 0", "Unnamed: 0.1"]),
        ({"column_0": ["5", "5", "3"], "a": NUMBERS}, {}, []),
        ({"column_0": ["x", "y", "z"], "a": NUMBERS}, {}, []),
        ({"column_0": NUMBERS, "column_1": NUMBERS}, {}, []),  # a file without a header
        ({"column_0": NUMBERS, "a": NUMBERS}, {"columns": {"column_0": "numeric"}}, []),
        ({"column_0": NUMBERS, "a": NUMBERS}, {"table": {"names": ["column_0", "a"]}}, []),
    ],
)
def test_unnamed_columns_that_number_the_rows_are_found(columns: dict, options: dict, found: list[str]) -> None:
    assert find_index_columns(pa.table(columns), ReadOptions(**options)) == found
    assert [(a.subject, a.is_warning) for a in assume_index(found)] == [(f"column {name!r}", True) for name in found]


@pytest.mark.parametrize("cells", [["5-Jan-24", "6-Feb-24"], ["31/12/24 10:00", "1/2/23 9:00"], ["25:30", "26:10"]])
def test_dates_in_other_notations_are_named(cells: list[str]) -> None:
    (text,) = column_texts(cells)
    assert text.startswith("looks like dates, but this notation is not read (")


def test_cells_that_keep_a_column_from_being_numeric_are_named() -> None:
    cells = ["1"] * 60 + ["closed"] * 30 + ["A7"] * 10
    assert column_texts(cells) == [
        "categorical, although 60 of 100 cells are numbers; the others are 'closed' (30), 'A7' (10)"
    ]
    assert column_texts(["red", "blue"]) == column_texts(["1", "2"]) == []


def test_long_integers_are_reported() -> None:
    (text,) = column_texts(["123456789012345678", "123456789012345679"])
    assert text == "integers of more digits than a number can hold (2**53) are compared as text, as ids are"


def test_ids_are_named_as_such_and_distinct() -> None:
    assert is_id("user_id", pa.chunked_array([["a", "b"]]))
    assert not is_id("user_id", pa.chunked_array([["a", "a"]]))
    assert not is_id("user", pa.chunked_array([["a", "b"]]))
    (assumption,) = assume_ids("review", ["id"])
    assert assumption.text == "only this text is learned from; the other columns are ids (id)"
    assert assume_ids("review", []) == []


def test_texts_beside_other_columns_are_reported() -> None:
    (assumption,) = assume_texts(["review"], ["stars", "year"])
    assert (assumption.subject, assumption.text) == (
        "column review", "learned from as text, together with stars, year"
    )  # fmt: skip
    assert (assumption.setting, assumption.is_warning) == ("ingest.columns: {review: ignore}", False)
    (assumption,) = assume_texts(["title", "body"], [])
    assert assumption.text == "learned from as texts"
    assert assume_texts(["review"], []) == assume_texts([], ["stars"]) == []


def test_target_and_task_are_reported_if_they_were_guessed() -> None:
    assert [a.setting for a in assume_target(["y"], "regression", ReadOptions(), reason="name")] == [
        "ingest.target: NAME", "ingest.task: classification",
    ]  # fmt: skip
    assert assume_target(["y"], "regression", ReadOptions(target="y", task="regression"), reason="name") == []
