import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from headrace.data.table.reading.formats.cell_text import (
    batch_rows,
    batch_values,
    format_column,
    format_floats,
    format_scalar,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("x", "x"),
        ("\u00e9 \ud800", "\u00e9 ?"),
        (True, "true"),
        (10**22, "10000000000000000000000"),
        (1234.0, "1234"),
        (0.5, "0.5"),
        (1e22, "1e+22"),
        (float("nan"), None),
        (Decimal("1.50"), "1.50"),
        (dt.date(2024, 2, 29), "2024-02-29"),
        (dt.datetime(2024, 2, 29, 3, 4, 5), "2024-02-29 03:04:05"),  # noqa: DTZ001
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(days=1, hours=6, seconds=9), "30:00:09"),
    ],
)
def test_scalars_as_text(value, text):
    assert format_scalar(value) == text


@pytest.mark.parametrize("value", [b"x", [1], {"a": 1}])
def test_other_values_raise(value):
    with pytest.raises(TypeError):
        format_scalar(value)


@pytest.mark.parametrize(
    "column",
    [
        ["x", None, "\u00e9"],
        ["x", "\ud800"],
        [1, None, 2**62],
        [1, 2**70],
        [True, None, False],
        [0.5, None, 1e300, float("nan"), 2.0],
        [1, 0.5, "x", True],
        [1, 0.5, None, 2**53],
        [1, 0.5, 2**53 - 1, 2**1100],
        [1e10, -1e10, 12345678901.0, 12345678901.5, 9999999999.5, 1e15, 2.0**53, 1e16, 1e22, -0.0, 1e-5, 1e-7],
        [dt.date(2024, 2, 29), None],
        [dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 1)],  # noqa: DTZ001
        [None, None],
    ],
)
def test_a_column_is_written_as_its_cells_are(column):
    assert format_column(column).to_pylist() == [format_scalar(value) for value in column]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_floats_of_arrow_are_written_as_those_of_python(kind):
    values = pa.array([0.5, None, float("nan"), 3.0, -0.0, 1e10, 2.0**40, float("inf")], pa.float64()).cast(kind)
    expected = [format_scalar(value) for value in values.to_pylist()]
    assert format_floats(values.cast(pa.float32()) if kind == pa.float16() else values).to_pylist() == expected


def test_values_that_are_no_scalars_are_left_to_the_caller():
    rows = [(index, [index, [index]]) for index in range(3)]
    (batch,) = batch_values(rows, ["a", "b"], lambda number, values: [str(number), str(values[1])])
    assert batch.cells.to_pylist() == [{"a": str(index), "b": f"[{index}]"} for index in range(3)]


def test_rows_are_batched_with_their_numbers():
    batches = list(batch_rows(((index, [str(index), None]) for index in range(5, 5005)), ["a", "b"]))
    assert [rows.cells.num_rows for rows in batches] == [4096, 904]
    assert batches[1].numbers.to_pylist()[0] == 4101
    assert batches[1].cells.slice(0, 1).to_pylist() == [{"a": "4101", "b": None}]
