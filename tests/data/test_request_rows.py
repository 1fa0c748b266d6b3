import decimal

import numpy as np
import pandas as pd
import pytest

from headrace.data.request_rows import check_columns, is_missing, name_kind, quote, replace_lone_surrogates


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"a": 1, "b": 2}, {"a": 1}], "row 6, column 'b': missing; a row has 'a', 'b'; send null where a value is"),
        ([{"a": 1, "b": 2, "c": 3}], None),
        ([{"a": 1, "b": 2, "B": 3}], "row 5, column 'B': unknown column (its value: 3); a row has 'a', 'b'; remove it"),
        (
            [{"": 0, "a": 1, "b": 2}],
            "row 5, column '': unknown column (its value: 0); a row has 'a', 'b'; remove it (of",
        ),
        ([{}], "row 5, column 'a': missing"),
        ([{0: 1}], "row 5, column '0': unknown column"),
        ([], None),
    ],
)
def test_columns_of_every_row_are_checked(rows, message):
    if message is None:
        assert check_columns(rows, ["a", "b"], ["c"]) == []
        return
    problems = check_columns(rows, ["a", "b"], ["c"])
    assert problems[0].describe(first_row=5).startswith(message)


def test_misspelt_column_is_suggested_and_long_lists_are_cut():
    names = [f"column_{index}" for index in range(30)]
    (problem, *_) = check_columns([{"colunm_29": 1}], names)
    assert problem.describe().endswith(" and 10 more; did you mean 'column_29'?")


@pytest.mark.parametrize("cell", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT", "us")])
def test_missing_cells_of_any_type(cell):
    assert is_missing(cell)


@pytest.mark.parametrize("cell", ["", "nan", 0, False, [], np.array([1, 2]), decimal.Decimal(0)])
def test_other_cells_are_not_missing(cell):
    assert not is_missing(cell)


def test_quoted_values_are_short_and_on_one_line():
    assert quote(np.float64(1.5)) == "1.5"
    assert quote("a\nb") == r"'a\nb'"
    assert "\n" not in quote(np.array([[1, 2], [3, 4]]))
    assert len(quote("x" * 10_000)) == 60


def test_half_a_surrogate_pair_is_replaced():
    assert replace_lone_surrogates("a\ud83d") == "a?"
    assert replace_lone_surrogates("\u00e9") == "\u00e9"


def test_every_problem_of_every_row_is_found():
    problems = check_columns([{"a": 1, "x": 2}, {"a": 1, "b": 2}, {"y": 1}], ["a", "b"])
    assert [(problem.row, problem.column) for problem in problems] == [(0, "x"), (0, "b"), (2, "y"), (2, "a"), (2, "b")]
    assert problems[1].describe_cell() == "column 'b': missing"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (5, "a number"), (np.float32(5), "a number"), (np.int8(5), "a number"), (True, "a boolean"),
        (np.bool_(True), "a boolean"), ("a", "a text"), ({}, "an object"), ([], "a list"), (np.zeros(2), "a list"),
        (None, "null"), (b"", "bytes"),
    ],
)  # fmt: skip
def test_kinds_of_values_have_the_names_of_json(value, kind):
    assert name_kind(value) == kind
