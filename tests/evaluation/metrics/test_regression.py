"""Regression metrics against scikit-learn, SciPy and known distributions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from headrace.evaluation.metrics import regression


@pytest.fixture
def predictions():
    rng = np.random.default_rng(3)
    targets = rng.normal(100, 20, 400)
    return targets + rng.normal(1, 5, 400), targets


def test_summary_metrics_match_scikit_learn(predictions):
    predicted, targets = predictions
    metrics = regression.summary_metrics(predicted, targets)
    assert metrics["num_rows"] == 400
    assert metrics["rmse"] == pytest.approx(reference.root_mean_squared_error(targets, predicted))
    assert metrics["mae"] == pytest.approx(reference.mean_absolute_error(targets, predicted))
    assert metrics["r2"] == pytest.approx(reference.r2_score(targets, predicted))
    assert metrics["loss"] == pytest.approx(reference.mean_squared_error(targets, predicted))
    assert metrics["rmse_low"] < metrics["rmse"] < metrics["rmse_high"]


def test_bootstrap_rmse_is_close_to_scipy(predictions):
    errors = predictions[0] - predictions[1]
    interval = regression.bootstrap_rmse(errors, seed=1)
    other = stats.bootstrap(
        (errors,), lambda part, axis: np.sqrt(np.mean(part**2, axis=axis)), method="percentile", n_resamples=4000,
        rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    assert interval == pytest.approx((other.low, other.high), abs=0.06)  # the ends vary by about 0.02 between seeds


def test_bootstrap_rmse_depends_on_the_seed(predictions):
    errors = predictions[0] - predictions[1]
    interval = regression.bootstrap_rmse(errors, seed=5)
    assert regression.bootstrap_rmse(errors, seed=6) != interval


def test_summary_metrics_of_one_row_have_an_empty_interval():
    metrics = regression.summary_metrics(np.array([3.0]), np.array([1.0]))
    assert (metrics["rmse_low"], metrics["rmse"], metrics["rmse_high"]) == (2, 2, 2)


@pytest.mark.parametrize(("predicted", "expected"), [([2.0, 2.0, 2.0], 1), ([2.0, 2.0, 3.0], 0)])
def test_r_squared_of_equal_targets_matches_scikit_learn(predicted, expected):
    targets = np.full(3, 2.0)
    assert regression.r_squared(np.array(predicted), targets) == expected
    assert reference.r2_score(targets, predicted) == expected


def test_mean_r_squared_matches_scikit_learn():
    rng = np.random.default_rng(0)
    targets = rng.normal([10, 1e3], [1, 50], (40, 2)).astype(np.float32)
    values = (targets + rng.normal(0, [0.5, 10], (40, 2))).astype(np.float32)
    assert regression.mean_r_squared(values, targets) == pytest.approx(reference.r2_score(targets, values), abs=1e-6)
    of_first = reference.r2_score(targets[:, 0], values[:, 0])
    assert regression.mean_r_squared(values[:, :1], targets[:, 0]) == pytest.approx(of_first, abs=1e-6)


def test_interval_half_width_covers_new_rows():
    rng = np.random.default_rng(0)
    coverage = []
    for _ in range(400):
        width = regression.interval_half_width(rng.exponential(size=30) - 1)
        coverage.append(np.mean(np.abs(rng.exponential(size=200) - 1) <= width))
    # exactly ceil(0.9 * 31) / 31 = 28 / 31 on average; the mean of 400 has a standard error of 0.003
    assert np.mean(coverage) == pytest.approx(28 / 31, abs=0.012)


def test_interval_half_width_of_few_rows_is_the_largest_error():
    assert regression.interval_half_width(np.array([1.0, -3.0, 2.0])) == 3


@given(st.lists(st.integers(-(10**9), 10**9).map(lambda error: error / 1000), min_size=1, max_size=50))
def test_bootstrap_rmse_and_interval_half_width_lie_among_the_errors(values):
    errors = np.array(values)
    low, high = regression.bootstrap_rmse(errors)
    largest = np.abs(errors).max()
    assert np.abs(errors).min() * (1 - 1e-9) <= low <= high <= largest * (1 + 1e-9)
    assert np.mean(np.abs(errors) <= regression.interval_half_width(errors)) >= min(0.9, 1 - 1 / len(errors))


def test_rmse_interval_of_many_rows_is_that_of_the_bootstrap():
    errors = np.random.default_rng(0).normal(0, 2, regression.MAX_RESAMPLED + 1)
    assert regression.rmse_interval(errors) == pytest.approx(regression.bootstrap_rmse(errors), rel=0.01)
    few = errors[:50]
    assert regression.rmse_interval(few, seed=3) == regression.bootstrap_rmse(few, seed=3)
