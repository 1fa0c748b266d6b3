import numpy as np
import pytest

from headrace.data.table.encoding.decode import (
    count_tokens,
    decode_cell,
    decode_value,
    format_cell,
    format_value,
    inputs_by_column,
    tokens_by_column,
)
from tests.text_tables import make_text_table

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


def test_cells_of_a_row_with_texts():
    table = make_text_table()
    columns, row = inputs_by_column(table.transform), table.clean.slice(1, 1).to_pylist()[0]
    assert list(tokens_by_column(table.transform)) == ["title", "body"]
    assert tokens_by_column(TRANSFORM) == {}
    cells = {name: decode_cell(table.transform, indices, table.inputs[1]) for name, indices in columns.items()}
    assert cells == {name: row[name] if name != "size" else pytest.approx(row["size"]) for name in columns}
    assert decode_cell(table.transform, columns["title"], table.inputs[0]) is None
    assert format_cell(table.transform, columns["title"], table.inputs[0]) == "missing"
    assert format_cell(table.transform, columns["body"], table.inputs[1]) == row["body"]
    assert format_cell(TRANSFORM, [3], np.array([0, 0, 0, 3.0])) == "blue"


def test_tokens_of_texts_are_counted():
    table = make_text_table()
    counts = count_tokens(table.inputs, tokens_by_column(table.transform)["title"])
    assert np.isnan(counts[0])
    assert (counts[1:7] == 3).all()
