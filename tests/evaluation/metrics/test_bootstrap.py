import numpy as np
import pytest
from scipy.sparse import csr_array

from headrace.evaluation.metrics import bootstrap
from headrace.evaluation.metrics.bootstrap import basic_interval, name_ends, percentile_interval, resample_sums

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


def test_basic_interval_mirrors_the_percentile_interval_within_0_and_1() -> None:
    resampled = np.linspace(0.3, 0.7, 1001)
    assert basic_interval(0.4, resampled) == pytest.approx((0.4 * 2 - 0.69, 0.4 * 2 - 0.31))
    assert basic_interval(0.1, resampled) == (0.0, 0.1)  # every resample exceeds the estimate
    assert percentile_interval(0.1, resampled)[0] == 0.1
    assert name_ends("ece", (0.1, 0.2)) == {"ece_low": 0.1, "ece_high": 0.2}
