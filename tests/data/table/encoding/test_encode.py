import subprocess
import sys

import numpy as np
import pyarrow as pa

from headrace.data.table.encoding.encode import encode_batch

NUMBER = {"name": "n", "kind": "numeric", "offset": 0.0, "unit": 1.0}
DATE = {"name": "d", "kind": "date", "offset": 18262.0, "unit": 1.0, "parts": ["days"]}  # from 2020 on
CATEGORY = {"name": "c", "kind": "categorical", "values": ["3", "a"]}
TRANSFORM = {"columns": [NUMBER, DATE, CATEGORY], "inputs": [{}, {}, {}]}


def batch_of(numbers: list[float | None], dates: list[str | None], categories: list[str | None]) -> pa.RecordBatch:
    days = pa.array(dates, pa.string()).cast(pa.timestamp("us"))
    return pa.record_batch({"n": pa.array(numbers, pa.float64()), "d": days, "c": pa.array(categories, pa.string())})


def test_missing_numbers_and_dates_are_nan_and_categories_are_ids() -> None:
    encoded = encode_batch(batch_of([1.5, None], ["2020-01-03", None], ["a", None]), TRANSFORM)
    np.testing.assert_array_equal(encoded, [[1.5, 2, 3], [np.nan, np.nan, 1]])
    assert encode_batch(batch_of([0], ["2020-01-01"], ["b"]), TRANSFORM)[0, 2] == 0


def test_rows_are_encoded_independently_of_their_batch() -> None:
    batch = batch_of([1, 2, None], [None, "2020-05-05", None], ["a", None, "b"])
    whole = encode_batch(batch, TRANSFORM)
    np.testing.assert_array_equal(whole, [encode_batch(batch.slice(row, 1), TRANSFORM)[0] for row in range(3)])


def test_encode_batch_of_no_rows() -> None:
    assert encode_batch(batch_of([], [], []), TRANSFORM).shape == (0, 3)


def test_offset_is_subtracted_before_float32_rounds() -> None:
    transform = {"columns": [NUMBER | {"offset": 1.7e15, "unit": 2.0}], "inputs": [{}]}
    batch = pa.record_batch({"n": pa.array([1.7e15, 1.7e15 + 1, None])})
    np.testing.assert_array_equal(encode_batch(batch, transform)[:, 0], [0, 0.5, np.nan])


def test_encode_imports_only_numpy_and_arrow() -> None:
    code = (
        "import sys, headrace.data.table.encoding.encode;"
        "print(*[m for m in sys.modules if m.startswith('headrace.') or m in ('sklearn', 'torch', 'pydantic')])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(process.stdout.split()) == {
        "headrace.data", "headrace.data.table", "headrace.data.table.encoding", "headrace.data.table.encoding.encode",
        "headrace.data.text", "headrace.data.text.token_ids",
    }  # fmt: skip
