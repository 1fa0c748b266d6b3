import datetime as dt
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from headrace.data.table.encoding.encode import batch_from_rows, encode_batch

NUMBER = {"name": "n", "kind": "numeric", "offset": 0.0, "unit": 1.0}
DATE = {"name": "d", "kind": "date", "offset": 18262.0, "unit": 1.0, "parts": ["days"]}  # from 2020 on
CATEGORY = {"name": "c", "kind": "categorical", "values": ["3", "a", "4.0", "true"]}
TRANSFORM = {"columns": [NUMBER, DATE, CATEGORY], "inputs": [{}, {}, {}]}


def encoded(**cells: object) -> list[float]:
    return encode_batch(batch_from_rows([cells], TRANSFORM), TRANSFORM)[0].tolist()


@pytest.mark.parametrize("cell", [2, 2.0, "2", " 2.0 ", np.float32(2), np.int64(2), "2e0"])
def test_numbers_of_any_type_are_accepted(cell: object) -> None:
    assert encoded(n=cell)[0] == 2


@pytest.mark.parametrize("cell", [None, "", float("nan"), "x", "inf", float("inf"), pd.NA, pd.NaT, True])
def test_invalid_numbers_are_missing(cell: object) -> None:
    assert np.isnan(encoded(n=cell)[0])


@pytest.mark.parametrize(
    "cell",
    ["2020-01-03", "2020-01-03T00:00:00Z", dt.date(2020, 1, 3), pd.Timestamp("2020-01-03"),
     np.datetime64("2020-01-03"), np.datetime64("2020-01-03T00:00:00.000000000")],
)  # fmt: skip
def test_dates_of_any_type_are_accepted(cell: object) -> None:
    assert encoded(d=cell)[1] == 2


def test_ambiguous_dates_raise() -> None:
    with pytest.raises(
        ValueError, match=r"^column 'd': '03/04/2020' is ambiguous between day first and month first; send"
    ):
        batch_from_rows([{"d": "03/04/2020"}], TRANSFORM)
    assert encoded(d="31/01/2020")[1] == 30
    assert encoded(d="01/31/2020")[1] == 30
    assert encoded(d="02/02/2020")[1] == 32
    assert np.isnan(encoded(d="40/40/2020")[1])


@pytest.mark.parametrize(("order", "day"), [("dmy", 93), ("mdy", 63)])
def test_dates_are_read_in_the_order_of_the_train_rows(order: str, day: int) -> None:
    columns = [column | ({"order": order} if column["name"] == "d" else {}) for column in TRANSFORM["columns"]]
    transform = TRANSFORM | {"columns": columns}
    assert encode_batch(batch_from_rows([{"d": "03/04/2020"}], transform), transform)[0, 1] == day


@pytest.mark.parametrize(
    ("cell", "category_id"),
    [(3, 2), (3.0, 2), ("3", 2), ("a", 3), (" a ", 3), (4.0, 4), ("4.0", 4), (True, 5), ("b", 0), ("3.0", 0), (None, 1),
     (" ", 1), (float("nan"), 1)],
)  # fmt: skip
def test_categories_of_any_type_are_accepted(cell: object, category_id: int) -> None:
    assert encoded(c=cell)[2] == category_id


def test_absent_columns_are_missing_and_unknown_ones_are_ignored() -> None:
    inputs = encoded(other="x")
    assert np.isnan(inputs[:2]).all()
    assert inputs[2] == 1


def test_rows_are_encoded_independently_of_their_batch() -> None:
    rows = [{"n": 1, "c": "a"}, {"n": "2", "d": "2020-05-05"}, {}]
    whole = encode_batch(batch_from_rows(rows, TRANSFORM), TRANSFORM)
    np.testing.assert_array_equal(
        whole, [encode_batch(batch_from_rows([row], TRANSFORM), TRANSFORM)[0] for row in rows]
    )


def test_encode_batch_of_no_rows() -> None:
    assert encode_batch(batch_from_rows([], TRANSFORM), TRANSFORM).shape == (0, 3)


def test_offset_is_subtracted_before_float32_rounds() -> None:
    transform = {"columns": [NUMBER | {"offset": 1.7e15, "unit": 2.0}], "inputs": [{}]}
    batch = pa.record_batch({"n": pa.array([1.7e15, 1.7e15 + 1, None])})
    np.testing.assert_array_equal(encode_batch(batch, transform)[:, 0], [0, 0.5, np.nan])


def test_encode_imports_only_numpy_and_arrow() -> None:
    code = (
        "import sys, json, headrace.data.table.encoding.encode as e;"
        f"t = json.loads({json.dumps(TRANSFORM)!r});"
        "e.encode_batch(e.batch_from_rows([{'n': 1, 'd': '2020-01-01', 'c': 'a'}], t), t);"
        "print(*[m for m in sys.modules if m.startswith('headrace.') or m in ('sklearn', 'torch', 'pydantic')])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(process.stdout.split()) == {
        "headrace.data", "headrace.data.table", "headrace.data.table.encoding", "headrace.data.table.encoding.encode",
        "headrace.data.table.parsing",
    }  # fmt: skip
