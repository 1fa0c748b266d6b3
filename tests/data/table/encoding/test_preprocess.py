from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.encoding.preprocess import TablePreprocess, count_features, feature_columns


def numeric(**changes: Any) -> Json:
    defaults = {"fill": 0.0, "center": 0.0, "scale": 1.0, "has_missing": False, "quantiles": None}
    return {"name": "n", "column": "n", "kind": "numeric", **defaults, **changes}


def categorical(num_values: int) -> Json:
    return {"name": "c", "column": "c", "kind": "categorical", "num_values": num_values}


def preprocess(inputs: list[Json], rows: list[list[float]]) -> list[list[float]]:
    transform = {"input_shape": [len(inputs)], "inputs": inputs}
    features = TablePreprocess(transform)(torch.tensor(rows, dtype=torch.float32))
    assert features.dtype == torch.float32
    assert features.shape == (len(rows), count_features(transform))
    rows_of_features: list[list[float]] = features.tolist()
    return rows_of_features


def test_features_are_in_the_order_of_columns() -> None:
    inputs = [
        categorical(3),
        numeric(fill=4.0, center=2.0, scale=2.0, has_missing=True),
        numeric(quantiles=[0.0, 10.0, 20.0], fill=10.0, has_missing=True),
        categorical(2),
        numeric(center=-1.0),
    ]
    nan = float("nan")
    features = preprocess(inputs, [[2, 6, 15, 0, 3], [0, nan, nan, 1, -1]])
    assert features == [
        [0, 0, 1, 2.0, 0, 0.25, 0, 1, 0, 4.0],
        [1, 0, 0, 1.0, 1, 0.0, 1, 0, 1, 0.0],
    ]
    assert feature_columns({"inputs": inputs}) == [0, 0, 0, 1, 1, 2, 2, 3, 3, 4]


@pytest.mark.parametrize(
    ("inputs", "row", "expected"),
    [
        ([numeric(center=1.0, scale=4.0)], [3.0], [0.5]),
        ([categorical(2)], [1.0], [0.0, 1.0]),
        ([numeric(quantiles=[1.0, 3.0])], [2.5], [0.25]),
        ([numeric(fill=7.0)], [float("nan")], [7.0]),
    ],
)
def test_table_with_a_single_column(inputs: list[Json], row: list[float], expected: list[float]) -> None:
    assert preprocess(inputs, [row]) == [expected]


def interpolated_rank(values: NDArray[np.float64], knots: list[float]) -> NDArray[np.float64]:
    return np.interp(values, knots, np.linspace(0, 1, len(knots))) - 0.5


@given(
    knots=st.lists(st.integers(-1000, 1000), min_size=2, max_size=20, unique=True),
    values=st.lists(st.floats(-2000, 2000), min_size=1, max_size=9),
)
def test_rank_matches_numpy_interpolation(knots: list[int], values: list[float]) -> None:
    ordered = [float(knot) for knot in sorted(knots)]
    ranks = preprocess([numeric(quantiles=ordered)], [[value] for value in values])
    np.testing.assert_allclose(np.ravel(ranks), interpolated_rank(np.array(values), ordered), atol=2e-5)


def test_ranks_of_columns_with_different_numbers_of_knots() -> None:
    inputs = [numeric(quantiles=[0.0, 1.0, 5.0, 6.0]), numeric(quantiles=[0.0, 4.0])]
    assert np.allclose(preprocess(inputs, [[5.0, 1.0], [99.0, 99.0]]), [[1 / 6, -0.25], [0.5, 0.5]])


def test_knots_equal_in_float32_form_a_step() -> None:
    inputs = [numeric(quantiles=[1e9, 1e9 + 1, 2e9])]
    assert np.allclose(preprocess(inputs, [[0.0], [1e9], [2e9]]), [[-0.5], [-0.5], [0.5]])
