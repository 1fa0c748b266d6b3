import pytest

from headrace.data.table.encoding.decode import column_places, source_value, value_name

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


def test_columns_know_their_places():
    assert column_places(TRANSFORM) == {"when": [0, 1], "stamp": [2], "colour": [3]}


@pytest.mark.parametrize(
    ("place", "stored", "value", "name"),
    [
        (0, 3.0, "2022-01-11", "2022-01-11"),
        (2, 2.5, 1000000025.0, "1e+09"),
        (2, float("nan"), None, "missing"),
        (3, 0.0, None, "unknown"),
        (3, 1.0, None, "missing"),
        (3, 3.0, "blue", "blue"),
    ],
)
def test_stored_values_are_told_as_the_source_has_them(place, stored, value, name):
    assert source_value(TRANSFORM, place, stored) == value
    assert value_name(TRANSFORM, place, stored) == name
