import numpy as np
import pytest
from scipy.sparse import csr_array

from headrace.evaluation.metrics import bootstrap
from headrace.evaluation.metrics.bootstrap import (
    calibration_error_interval,
    name_ends,
    percentile_interval,
    resample_sums,
)

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(60, 3))


def test_sums_are_those_of_rows_drawn_with_replacement() -> None:
    drawn = np.random.default_rng(3).integers(0, 60, (bootstrap.NUM_RESAMPLES, 60))
    assert resample_sums(VALUES, seed=3) == pytest.approx(VALUES[drawn].sum(axis=1))


def test_sums_of_sparse_rows_are_those_of_dense_rows_and_depend_on_the_seed() -> None:
    sums = resample_sums(VALUES, seed=1)
    assert resample_sums(csr_array(VALUES), seed=1) == pytest.approx(sums)
    assert not np.allclose(resample_sums(VALUES, seed=2), sums)


def test_sums_do_not_depend_on_the_rows_of_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = resample_sums(VALUES, seed=1)
    monkeypatch.setattr(bootstrap, "DRAWS_PER_PASS", 60 * 7)
    assert resample_sums(VALUES, seed=1) == pytest.approx(sums)


def test_many_rows_are_resampled_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "MAX_DRAWS", 60 * 300)
    assert len(resample_sums(VALUES, seed=0)) == 300
    monkeypatch.setattr(bootstrap, "MAX_DRAWS", 60)
    assert len(resample_sums(VALUES, seed=0)) == bootstrap.MIN_RESAMPLES


def test_percentile_interval_of_a_mean_is_close_to_scipy() -> None:
    from scipy.stats import bootstrap as reference

    column = VALUES[:, 0]
    expected = reference((column,), np.mean, method="percentile", n_resamples=4000, rng=1).confidence_interval
    interval = percentile_interval(float(column.mean()), resample_sums(column[:, None], seed=0)[:, 0] / 60)
    assert interval == pytest.approx((expected.low, expected.high), abs=0.1 * (expected.high - expected.low))


def test_percentile_interval_includes_the_estimate() -> None:
    resampled = np.linspace(0.3, 0.7, 1001)
    assert percentile_interval(0.4, resampled) == pytest.approx((0.31, 0.69))
    assert percentile_interval(0.1, resampled)[0] == 0.1
    assert name_ends("ece", (0.1, 0.2)) == {"ece_low": 0.1, "ece_high": 0.2}


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.5])
def test_interval_of_a_calibration_error_covers_the_true_one(shift: float) -> None:
    """Sums of |mean| of 10 columns, whose true values are known; with no shift the true error is 0."""
    rng, covered = np.random.default_rng(1), []
    for _ in range(120):
        values = rng.normal(shift, 1, (200, 10))
        gaps = values.mean(axis=0)
        low, high = calibration_error_interval(gaps, resample_sums(values, seed=0) / 200)
        assert low <= np.abs(gaps).sum() <= high
        covered.append(low <= 10 * shift <= high)
    assert np.mean(covered) > 0.85  # 0.9 for small errors, where the estimate is mostly noise


def test_interval_of_a_calibration_error_without_noise_is_the_error() -> None:
    gaps = np.array([0.1, -0.2])
    assert calibration_error_interval(gaps, np.tile(gaps, (9, 1))) == pytest.approx((0.3, 0.3), abs=1e-3)
    assert calibration_error_interval(0 * gaps, np.zeros((9, 2))) == (0, 0)
