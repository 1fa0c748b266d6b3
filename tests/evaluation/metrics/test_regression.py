"""Regression figures against scikit-learn, SciPy and what is known of the draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from headrace.evaluation.metrics import regression


@pytest.fixture
def answered():
    rng = np.random.default_rng(3)
    targets = rng.normal(100, 20, 400)
    return targets + rng.normal(1, 5, 400), targets


def test_headline_is_scikit_learns(answered):
    predicted, targets = answered
    found = regression.summary_metrics(predicted, targets)
    assert found["num_rows"] == 400
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(targets, predicted))
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(targets, predicted))
    assert found["r2"] == pytest.approx(reference.r2_score(targets, predicted))
    assert found["loss"] == pytest.approx(reference.mean_squared_error(targets, predicted))
    assert found["rmse_low"] < found["rmse"] < found["rmse_high"]


def test_bootstrap_interval_is_about_scipys(answered):
    errors = answered[0] - answered[1]
    found = regression.bootstrap_rmse(errors, seed=1)
    other = stats.bootstrap(
        (errors,), lambda part, axis: np.sqrt(np.mean(part**2, axis=axis)), method="percentile", n_resamples=4000,
        rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    assert found == pytest.approx((other.low, other.high), abs=0.06)  # the ends stray by about 0.02 from draw to draw


def test_bootstrap_is_the_same_for_a_seed_in_passes_of_any_size(answered, monkeypatch):
    errors = answered[0] - answered[1]
    whole = regression.bootstrap_rmse(errors, seed=5)
    assert regression.bootstrap_rmse(errors, seed=6) != whole
    monkeypatch.setattr(regression, "DRAWS_PER_PASS", 7 * 400)
    assert regression.bootstrap_rmse(errors, seed=5) == pytest.approx(whole)


def test_one_row_gives_itself_as_its_interval():
    found = regression.summary_metrics(np.array([3.0]), np.array([1.0]))
    assert (found["rmse_low"], found["rmse"], found["rmse_high"]) == (2, 2, 2)


@pytest.mark.parametrize(("predicted", "expected"), [([2.0, 2.0, 2.0], 1), ([2.0, 2.0, 3.0], 0)])
def test_r_squared_of_equal_targets_is_scikit_learns(predicted, expected):
    targets = np.full(3, 2.0)
    assert regression.r_squared(np.array(predicted), targets) == expected
    assert reference.r2_score(targets, predicted) == expected


def test_half_width_covers_new_rows_as_promised():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        width = regression.interval_half_width(rng.exponential(size=30) - 1)
        covered.append(np.mean(np.abs(rng.exponential(size=200) - 1) <= width))
    # exactly ceil(0.9 * 31) / 31 = 28 / 31 on average; the mean of 400 strays by 0.003
    assert np.mean(covered) == pytest.approx(28 / 31, abs=0.012)


def test_half_width_of_few_rows_is_the_largest_error():
    assert regression.interval_half_width(np.array([1.0, -3.0, 2.0])) == 3


@given(st.lists(st.integers(-(10**9), 10**9).map(lambda error: error / 1000), min_size=1, max_size=50))
def test_interval_and_half_width_stay_among_the_errors(errors):
    found = np.array(errors)
    low, high = regression.bootstrap_rmse(found)
    largest = np.abs(found).max()
    assert np.abs(found).min() * (1 - 1e-9) <= low <= high <= largest * (1 + 1e-9)
    assert np.mean(np.abs(found) <= regression.interval_half_width(found)) >= min(0.9, 1 - 1 / len(found))
