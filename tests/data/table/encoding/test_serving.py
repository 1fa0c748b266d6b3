import datetime as dt
import decimal
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from headrace.data.request_rows import name_kind
from headrace.data.table.encoding.encode import encode_batch
from headrace.data.table.encoding.serving import Encoder
from tests.text_tables import make_text_table

CARD = {
    "columns": [
        {"name": "n", "kind": "numeric", "offset": 0.0, "unit": 1.0},
        {"name": "d", "kind": "date", "offset": 18262.0, "unit": 1.0, "parts": ["days"]},  # from 2020 on
        {"name": "c", "kind": "categorical", "values": ["3", "a", "4.0", "True"]},
    ],
    "inputs": [{}, {}, {}],
    "left_out": [{"name": "note", "reason": "text columns of a table are not used for training"}],
    "other_columns": ["target", "id"],
    "missing": ["", "?", "NA", "-9"],
    "temperature": 1.5,
}
ROW = {"n": 1.0, "d": "2020-01-01", "c": "a"}


def encoded(**cells: object) -> list[float]:
    (inputs,), problems = Encoder(CARD, {})([ROW | cells])
    assert not problems
    return inputs.tolist()


def refusal(card: dict[str, object] = CARD, **cells: object) -> str:
    problems = Encoder(card, {})([ROW, ROW | cells]).problems
    return problems[0].describe()


def test_encoder_matches_the_encoding_of_clean_rows() -> None:
    rows = [
        {"n": "12", "d": None, "c": " a "},
        {"n": 9.0, "d": "2020-01-03", "c": "b", "note": 1, "id": [7]},
        ROW | {"c": None},
    ]
    days = pa.array([None, "2020-01-03", "2020-01-01"]).cast(pa.timestamp("us"))
    clean = pa.record_batch({"n": pa.array([12.0, 9.0, 1.0]), "d": days, "c": pa.array(["a", "b", None])})
    np.testing.assert_array_equal(Encoder(CARD, {})(rows).inputs, encode_batch(clean, CARD))
    assert Encoder(CARD, {})([]).inputs.shape == (0, 3)


@pytest.mark.parametrize("cell", [2, 2.0, "2", " 2.0 ", np.float32(2), np.int64(2), "2e0", decimal.Decimal(2)])
def test_numbers_of_any_type_are_accepted(cell: object) -> None:
    assert encoded(n=cell)[0] == 2


@pytest.mark.parametrize("cell", [None, "", " ? ", "NA", float("nan"), pd.NA, pd.NaT, np.float32("nan"), -9, -9.0])
def test_missing_values_of_the_source_are_missing(cell: object) -> None:
    assert np.isnan(encoded(n=cell)[0])
    assert encoded(c=cell)[2] == 1


def test_nan_is_a_missing_number_in_any_source() -> None:
    assert np.isnan(encoded(n="nan")[0])


@pytest.mark.parametrize(
    "cell",
    ["2020-01-03", "2020-01-03T00:00:00Z", dt.date(2020, 1, 3), pd.Timestamp("2020-01-03"),
     np.datetime64("2020-01-03"), np.datetime64("2020-01-03T00:00:00.000000000")],
)  # fmt: skip
def test_dates_of_any_type_are_accepted(cell: object) -> None:
    assert encoded(d=cell)[1] == 2


@pytest.mark.parametrize(
    ("cell", "category_id"),
    [(3, 2), (3.0, 2), ("3", 2), ("a", 3), (" a ", 3), (4.0, 4), (4, 4), ("4.0", 4), ("4", 0), ("b", 0), ("3.0", 0),
     (True, 5), (np.True_, 5), ("true", 5), ("True", 5), ("TRUE", 5), (False, 0), (None, 1), (" ", 1)],
)  # fmt: skip
def test_categories_of_any_type_are_accepted(cell: object, category_id: int) -> None:
    assert encoded(c=cell)[2] == category_id


def test_exact_spelling_of_a_truth_value_comes_first() -> None:
    columns = [*CARD["columns"][:2], CARD["columns"][2] | {"values": ["true", "True"]}]
    encoder = Encoder(CARD | {"columns": columns}, {})
    assert encoder([ROW | {"c": cell} for cell in ("true", "True", True)]).inputs[:, 2].tolist() == [2, 3, 2]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"n": "twenty"}, "row 1, column 'n': 'twenty' is not a number; send a finite number, or null"),
        ({"n": True}, "row 1, column 'n': True is not a number; "),
        ({"n": "1,5"}, "row 1, column 'n': '1,5' is not a number; "),
        ({"n": float("inf")}, "row 1, column 'n': inf is beyond 1e+37; send a finite number"),
        ({"n": 1e39}, "row 1, column 'n': 1e+39 is beyond 1e+37; "),
        ({"n": "-1e39"}, "row 1, column 'n': '-1e39' is beyond 1e+37; "),
        ({"n": 10**400}, "row 1, column 'n': 10000000000000000000000000"),
        ({"n": [1, 2]}, "row 1, column 'n': [1, 2] is a list; send one text, number, boolean or null"),
        ({"c": {"a": 1}}, "row 1, column 'c': {'a': 1} is an object; "),
        ({"c": np.array([1])}, "row 1, column 'c': array([1]) is a list; "),
        ({"c": b"a"}, "row 1, column 'c': b'a' is bytes; "),
        ({"d": "40/40/2020"}, "row 1, column 'd': '40/40/2020' is not a date; send YYYY-MM-DD, or null"),
        ({"d": 20200103}, "row 1, column 'd': 20200103 is not a date; "),
        ({"N": 1}, "row 1, column 'N': unknown column (its value: 1); a row has 'n', 'd', 'c'; "),
        ({"n": None, "d": "NA", "c": ""}, "row 1: no column has a value; send at least one, or leave the row out"),
    ],
)  # fmt: skip
def test_what_a_cell_cannot_mean_is_refused(cells: dict[str, object], message: str) -> None:
    assert refusal(**cells).startswith(message)


def test_used_columns_are_required_in_every_row() -> None:
    (problem,) = Encoder(CARD, {})([ROW, {"n": 1, "c": "a", "note": ""}]).problems
    assert problem.describe().startswith("row 1, column 'd': missing; a row has 'n', 'd', 'c'; send null")
    assert problem.is_answerable


def test_dates_that_fit_either_order_are_refused_whatever_the_other_rows_are() -> None:
    message = "row 1, column 'd': '03/04/2020' is ambiguous between day first and month first; send YYYY-MM-DD"
    assert refusal(d="03/04/2020").startswith(message)
    (problem,) = Encoder(CARD, {})([ROW | {"d": "31/01/2020"}, ROW | {"d": "03/04/2020"}]).problems
    assert "ambiguous" in problem.describe()
    rows = [ROW | {"d": cell} for cell in ("31/01/2020", "01/31/2020", "02/02/2020")]
    assert Encoder(CARD, {})(rows).inputs[:, 1].tolist() == [30, 30, 32]


@pytest.mark.parametrize(("order", "day"), [("dmy", 93), ("mdy", 63)])
def test_dates_are_read_in_the_order_of_the_train_rows(order: str, day: int) -> None:
    card = CARD | {
        "columns": [column | ({"order": order} if column["name"] == "d" else {}) for column in CARD["columns"]]
    }
    assert Encoder(card, {})([ROW | {"d": "03/04/2020"}]).inputs[0, 1] == day
    assert "'31/31/2020' is not a date" in refusal(card, d="31/31/2020")


def test_rows_are_encoded_independently_of_their_batch() -> None:
    rows = [ROW, {"n": "2", "d": "2020-05-05", "c": "3"}, {"n": None, "d": None, "c": True}]
    encoder = Encoder(CARD, {})
    np.testing.assert_array_equal(encoder(rows).inputs, [encoder([row]).inputs[0] for row in rows])


def test_card_of_an_older_version_treats_only_empty_cells_as_missing() -> None:
    card = {name: CARD[name] for name in ("columns", "inputs")}
    assert np.isnan(Encoder(card, {})([ROW | {"n": " "}]).inputs[0, 0])
    assert "'?' is not a number" in refusal(card, n="?")


def test_invalid_cells_count_as_missing_and_rows_without_any_value_have_no_answer() -> None:
    rows = [ROW | {"n": "x"}, ROW | {"n": [1]}, ROW | {"d": "3.4.2020"}, dict.fromkeys(ROW), ROW | {"N": 1}]
    inputs, problems = Encoder(CARD, {})(rows)
    assert [(problem.row, problem.column, problem.is_answerable) for problem in sorted(problems)] == [
        (0, "n", True), (1, "n", True), (2, "d", True), (3, None, False), (4, "N", True)
    ]  # fmt: skip
    missing = Encoder(CARD, {})([ROW | {"n": None}, ROW | {"d": None}]).inputs
    np.testing.assert_array_equal(inputs[:3], missing[[0, 0, 1]])


@pytest.mark.parametrize("cells", [[1, 2.5, None], [1, "2.5", ""], ["1", "2.5", None], [1, True, "x"]])
def test_columns_of_any_mixture_of_types_are_encoded_as_their_cells_alone(cells: list[object]) -> None:
    card = CARD | {"missing": [""]}
    together = Encoder(card, {})([ROW | {"n": cell, "c": cell} for cell in cells])
    alone = [Encoder(card, {})([ROW | {"n": cell, "c": cell}]) for cell in cells]
    np.testing.assert_array_equal(together.inputs, np.concatenate([each.inputs for each in alone]))
    assert [problem.reason for problem in together.problems] == [
        problem.reason for each in alone for problem in each.problems
    ]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1.234,5", 1234.5),
        ("12 %", 12),
        ("-", np.nan),
        (1234.5, 1234.5),
        (np.float64(0.5), 0.5),
        (7, 7),
        (None, np.nan),
    ],
)
def test_texts_are_read_in_the_notation_of_the_source_and_numbers_as_they_are(cell: object, value: float) -> None:
    notation = {"number_format": {"decimal": ",", "thousands": ".", "affix": "%"}, "missing": ["-"]}
    if cell == "1.234,5":
        notation["number_format"]["affix"] = ""
    card = {**CARD, "columns": [CARD["columns"][0] | notation, *CARD["columns"][1:]]}
    np.testing.assert_array_equal(Encoder(card, {})([ROW | {"n": cell}]).inputs[0, 0], np.float32(value))


def test_texts_in_another_notation_than_the_source_are_refused() -> None:
    notation = {"number_format": {"decimal": ",", "thousands": "", "affix": ""}}
    card = {**CARD, "columns": [CARD["columns"][0] | notation, *CARD["columns"][1:]]}
    assert refusal(card, n="1.5") == (
        "row 1, column 'n': '1.5' is not a number; send a number, a text as the source has them (decimal ','), or"
        " null if it is unknown"
    )


CLOCK = {
    "columns": [{"name": "t", "kind": "time", "offset": 0.0, "unit": 1.0, "parts": ["hours", "day_sin", "day_cos"]}],
    "inputs": [{}, {}, {}],
}


@pytest.mark.parametrize("cell", ["18:00", "6:00 PM", dt.time(18)])
def test_times_are_points_on_a_circle(cell: object) -> None:
    np.testing.assert_allclose(Encoder(CLOCK, {})([{"t": cell}]).inputs[0], [18, -1, 0], atol=1e-6)


def test_cells_that_are_no_time_are_refused() -> None:
    (problem,) = [each for each in Encoder(CLOCK, {})([{"t": "25:00"}]).problems if each.column]
    assert (problem.reason, problem.remedy) == (
        "'25:00' is not a time of day", "send HH:MM, or null if it is unknown"
    )  # fmt: skip


@pytest.fixture
def encoder_of_texts(tmp_path: Path) -> Encoder:
    transform = make_text_table().transform
    (tmp_path / "tokenizer.json").write_text(json.dumps(transform["tokenizer"]))
    card = {name: value for name, value in transform.items() if name != "tokenizer"} | {"missing": ["", "NA"]}
    return Encoder(card, {"tokenizer": str(tmp_path / "tokenizer.json")})


def test_texts_beside_other_columns_are_encoded_as_in_training(encoder_of_texts: Encoder) -> None:
    table = make_text_table()
    rows = table.clean.drop_columns(["row_id"]).to_pylist()
    served = encoder_of_texts(rows)
    assert served.problems == []
    np.testing.assert_array_equal(served.inputs, table.inputs)


def test_texts_are_repaired_and_may_be_missing(encoder_of_texts: Encoder) -> None:
    rest = {"size": 1.0, "colour": "red"}
    rows = [
        {"title": cell, "body": body, **rest}
        for cell, body in [("the plot", "x"), (" the <b>plot</b>\x00 ", "x"), ("NA", None), ("", "<br>"), (None, "")]
    ]
    served = encoder_of_texts(rows)
    assert served.problems == []
    np.testing.assert_array_equal(served.inputs[0], served.inputs[1])
    assert (served.inputs[2:, [*range(16), *range(17, 33)]] == 0).all()


@pytest.mark.parametrize("cell", [5, True, ["a", "b"], b"x"])
def test_cells_that_are_no_text_are_refused(encoder_of_texts: Encoder, cell: object) -> None:
    (problem,) = encoder_of_texts([{"title": cell, "body": "the plot", "size": 1, "colour": "red"}]).problems
    assert problem.describe() == (
        f"row 0, column 'title': {cell!r} is {name_kind(cell)}; send a text, or null if there is none"
    )


def test_row_of_missing_texts_alone_has_no_answer(encoder_of_texts: Encoder) -> None:
    problems = encoder_of_texts([{"title": "", "body": None, "size": None, "colour": "NA"}]).problems
    assert [(problem.reason, problem.is_answerable) for problem in problems] == [("no column has a value", False)]
