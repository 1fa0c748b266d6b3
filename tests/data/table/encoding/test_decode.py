import pytest

from headrace.data.table.encoding.decode import decode_value, format_value, inputs_by_column

TRANSFORM = {
    "columns": [
        {"name": "when", "kind": "date", "offset": 19000.0, "unit": 1.0, "parts": ["days", "year_sin"]},
        {"name": "stamp", "kind": "numeric", "offset": 1e9, "unit": 10.0},
        {"name": "colour", "kind": "categorical", "values": ["red", "blue"]},
    ],
    "inputs": [
        {"name": "when.days", "column": "when", "kind": "numeric"},
        {"name": "when.year_sin", "column": "when", "kind": "numeric"},
        {"name": "stamp", "column": "stamp", "kind": "numeric"},
        {"name": "colour", "column": "colour", "kind": "categorical", "num_values": 4},
    ],
}


def test_inputs_by_column_lists_all_inputs_of_a_date():
    assert inputs_by_column(TRANSFORM) == {"when": [0, 1], "stamp": [2], "colour": [3]}


@pytest.mark.parametrize(
    ("index", "stored", "value", "name"),
    [
        (0, 3.0, "2022-01-11", "2022-01-11"),
        (2, 2.5, 1000000025.0, "1e+09"),
        (2, float("nan"), None, "missing"),
        (3, 0.0, None, "unknown"),
        (3, 1.0, None, "missing"),
        (3, 3.0, "blue", "blue"),
    ],
)
def test_decode_and_format_of_stored_values(index, stored, value, name):
    assert decode_value(TRANSFORM, index, stored) == value
    assert format_value(TRANSFORM, index, stored) == name
