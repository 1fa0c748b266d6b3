import numpy as np
import pytest

from headrace.evaluation import slice_definitions
from headrace.storage import arrays


def slices_of_table(values, inputs, columns):
    rows = arrays.Arrays(np.asarray(values, np.float32), np.zeros(len(values)), np.zeros(len(values), "S32"))
    return slice_definitions.slice_tables(rows, {"inputs": inputs, "columns": columns})


def numeric(name, column=None):
    return {"name": name, "column": column or name, "kind": "numeric"}


def test_slice_tables_by_common_values_and_thirds_of_known_numbers():
    size = [*np.arange(60.0), *[np.nan] * 40]
    colour = [2] * 50 + [3] * 19 + [1] * 31
    slices = slices_of_table(
        np.stack([size, colour], axis=1),
        [numeric("size"), {"name": "colour", "column": "colour", "kind": "categorical", "num_values": 4}],
        [
            {"name": "size", "kind": "numeric", "offset": 0.0, "unit": 1.0},
            {"name": "colour", "kind": "categorical", "values": ["red", "blue"]},
        ],
    )
    assert {name: int(rows.sum()) for name, rows in slices.items()} == {
        "size=low": 20, "size=middle": 20, "size=high": 20, "colour=red": 50, "colour=missing": 31,
    }  # fmt: skip


def test_slice_tables_limits_the_number_of_slices():
    many = np.repeat(np.arange(2, 32), 20)  # 30 values of 20 rows each
    numbers = [np.random.default_rng(index).random(len(many)) for index in range(7)]
    slices = slices_of_table(
        np.stack([many, *numbers], axis=1),
        [
            {"name": "city", "column": "city", "kind": "categorical", "num_values": 32},
            *(numeric(f"x{index}") for index in range(7)),
        ],
        [
            {"name": "city", "kind": "categorical", "values": [f"c{index}" for index in range(30)]},
            *({"name": f"x{index}", "kind": "numeric", "offset": 0.0, "unit": 1.0} for index in range(7)),
        ],
    )
    assert sum(name.startswith("city=") for name in slices) == slice_definitions.MAX_CATEGORICAL_SLICES
    assert sum(name.startswith("x") for name in slices) == 3 * slice_definitions.MAX_NUMERIC_COLUMNS


def test_slice_tables_by_thirds_of_a_date_and_not_of_two_values():
    days, flag = np.arange(30.0), np.arange(30) % 2
    slices = slices_of_table(
        np.stack([days, np.sin(days), flag], axis=1),
        [numeric("seen.days", "seen"), numeric("seen.year_sin", "seen"), numeric("flag")],
        [],
    )
    assert list(slices) == ["seen=low", "seen=middle", "seen=high"]


@pytest.mark.parametrize("project", [("text", "classification")], indirect=True)
def test_slice_texts_by_thirds_of_length(project):
    slices = slice_definitions.slice_texts(arrays.open_arrays(project.normalized_dir / "val"), {})
    assert list(slices) == ["tokens=low", "tokens=middle", "tokens=high"]
    assert sum(rows.sum() for rows in slices.values()) == 150
    rows = arrays.open_arrays(project.normalized_dir / "val").inputs[:]
    lengths = (rows != 0).sum(axis=1)
    assert lengths[slices["tokens=low"]].max() < lengths[slices["tokens=high"]].min()
