import numpy as np
import pytest

from headrace.evaluation import slice_definitions
from headrace.storage import arrays


def table(values, inputs, columns):
    made = arrays.Arrays(np.asarray(values, np.float32), np.zeros(len(values)), np.zeros(len(values), "S32"))
    return slice_definitions.table_groups(made, {"inputs": inputs, "columns": columns})


def numeric(name, column=None):
    return {"name": name, "column": column or name, "kind": "numeric"}


def test_table_groups_are_common_values_and_thirds_of_known_numbers():
    size = [*np.arange(60.0), *[np.nan] * 40]
    colour = [2] * 50 + [3] * 19 + [1] * 31
    found = table(
        np.stack([size, colour], axis=1),
        [numeric("size"), {"name": "colour", "column": "colour", "kind": "categorical", "num_values": 4}],
        [
            {"name": "size", "kind": "numeric", "offset": 0.0, "unit": 1.0},
            {"name": "colour", "kind": "categorical", "values": ["red", "blue"]},
        ],
    )
    assert {name: int(rows.sum()) for name, rows in found.items()} == {
        "size=low": 20, "size=middle": 20, "size=high": 20, "colour=red": 50, "colour=missing": 31,
    }  # fmt: skip


def test_table_groups_have_their_bounds():
    many = np.repeat(np.arange(2, 32), 20)  # 30 values of 20 rows each
    numbers = [np.random.default_rng(index).random(len(many)) for index in range(7)]
    found = table(
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
    assert sum(name.startswith("city=") for name in found) == slice_definitions.MAX_SLICES
    assert sum(name.startswith("x") for name in found) == 3 * slice_definitions.MAX_NUMERIC


def test_a_date_is_one_group_of_thirds_and_two_values_are_none():
    days, flag = np.arange(30.0), np.arange(30) % 2
    found = table(
        np.stack([days, np.sin(days), flag], axis=1),
        [numeric("seen.days", "seen"), numeric("seen.year_sin", "seen"), numeric("flag")],
        [],
    )
    assert list(found) == ["seen=low", "seen=middle", "seen=high"]


@pytest.mark.parametrize("project", [("text", "classification")], indirect=True)
def test_text_groups_are_thirds_by_tokens(project):
    found = slice_definitions.text_groups(arrays.open_arrays(project.normalized_dir / "val"), {})
    assert list(found) == ["tokens=low", "tokens=middle", "tokens=high"]
    assert sum(rows.sum() for rows in found.values()) == 150
    rows = arrays.open_arrays(project.normalized_dir / "val").inputs[:]
    lengths = (rows != 0).sum(axis=1)
    assert lengths[found["tokens=low"]].max() < lengths[found["tokens=high"]].min()
