import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import QuantileTransformer

from headrace.data.table.encoding.quantiles import compute_knots

NUM_KNOTS = 32


def map_to_ranks(values: np.ndarray, knots: list[float]) -> np.ndarray:
    """Applies the knots in float32, as the network does."""
    x, at = values.astype(np.float32)[:, None], np.array(knots, np.float32)
    steps = np.clip((x - at[:-1]) / (at[1:] - at[:-1]), 0, 1)
    return steps.sum(axis=1) / (len(knots) - 1)


def map_by_sklearn(values: np.ndarray) -> np.ndarray:
    return QuantileTransformer(n_quantiles=NUM_KNOTS, subsample=None).fit_transform(values[:, None])[:, 0]


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(size=3000),
        np.random.default_rng(0).lognormal(8, 2, size=3000),
        np.random.default_rng(0).integers(17, 91, 3000).astype(float),
        np.where(np.random.default_rng(0).random(3000) < 0.9, 0.0, np.random.default_rng(1).lognormal(8, 1, 3000)),
        np.where(np.random.default_rng(0).random(3000) < 0.8, 40.0, np.random.default_rng(1).integers(1, 99, 3000)),
        np.where(np.random.default_rng(0).random(3000) < 0.7, 1.0, np.random.default_rng(1).random(3000)),
        np.arange(40.0),
    ],
    ids=["normal", "skewed", "integers", "mostly the smallest", "mostly the middle", "mostly the largest", "few"],
)
def test_ranks_match_sklearn(values: np.ndarray) -> None:
    values = values.astype(np.float32).astype(float)
    knots = compute_knots(values, NUM_KNOTS)
    assert knots is not None
    np.testing.assert_allclose(map_to_ranks(values, knots), map_by_sklearn(values), atol=2e-4)


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=50))
def test_knots_increase_as_float32(values: list[float]) -> None:
    knots = compute_knots(np.array(values), NUM_KNOTS)
    if knots is None:
        assert len(set(values)) == 1
    else:
        assert (np.diff(np.array(knots, np.float32)) > 0).all()
        assert np.isfinite(knots).all()


def test_compute_knots_of_a_constant_returns_none() -> None:
    assert compute_knots(np.full(5, 3.0), NUM_KNOTS) is None
