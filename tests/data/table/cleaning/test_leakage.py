import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_curve

from headrace.data.table.cleaning.leakage import (
    group_correlation,
    interval_score,
    leave_one_out_accuracy,
    rank_correlation,
)

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 3000)


def codes(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint64)


def test_accuracy_of_a_copy_is_one_and_of_noise_is_chance() -> None:
    assert leave_one_out_accuracy(codes(LABELS + 10), LABELS) == 1
    assert leave_one_out_accuracy(codes(RNG.integers(0, 50, 3000)), LABELS) < 0.5


def test_accuracy_of_an_id_is_zero() -> None:
    assert leave_one_out_accuracy(codes(np.arange(3000)), LABELS) == 0


def test_accuracy_is_balanced_over_classes() -> None:
    labels = (RNG.random(5000) < 0.002).astype(np.int64)
    assert leave_one_out_accuracy(codes(np.zeros(5000)), labels) == 0.5


def test_accuracy_leaves_out_the_row_itself() -> None:
    # two rows per value: each is predicted from the other, so all predictions are wrong if the two differ
    values, labels = np.repeat(np.arange(100), 2), np.tile([0, 1], 100)
    assert leave_one_out_accuracy(codes(values), labels) == 0
    assert leave_one_out_accuracy(codes(values), np.repeat(np.arange(100) % 2, 2)) == 1


def test_interval_score_of_two_classes_reaches_the_best_threshold() -> None:
    labels = RNG.integers(0, 2, 2000)
    values = RNG.normal(size=2000) + labels
    false, true, _ = roc_curve(labels, values)
    assert interval_score(values, labels) == pytest.approx((1 + (true - false).max()) / 2, abs=0.02)
    assert interval_score(values, labels) >= (1 + (true - false).max()) / 2 - 1e-12


def test_interval_score_separates_the_class_in_the_middle() -> None:
    assert interval_score(LABELS + RNG.uniform(0, 0.9, 3000), LABELS) == 1


def test_interval_score_of_missing_cells_that_leak_is_one() -> None:
    labels = RNG.integers(0, 2, 2000)
    values = np.where(labels == 1, RNG.normal(size=2000), np.nan)
    assert interval_score(values, labels) == 1


def test_interval_score_of_noise_and_of_ties_is_chance() -> None:
    assert interval_score(RNG.normal(size=3000), LABELS) < 0.55
    assert interval_score(np.zeros(3000), LABELS) == 0.5
    assert interval_score(np.full(3000, np.nan), LABELS) == 0.5


def test_rank_correlation_matches_spearman() -> None:
    first = RNG.integers(0, 20, 500).astype(float)
    second = first**3 + RNG.normal(size=500) * 50
    assert rank_correlation(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert rank_correlation(-first, first) == pytest.approx(1)


def test_rank_correlation_of_few_or_constant_cells_is_zero() -> None:
    values = np.arange(100.0)
    mostly_missing = np.where(values < 40, values, np.nan)
    assert rank_correlation(mostly_missing, values) == 0
    assert rank_correlation(np.zeros(100), values) == 0


def test_group_correlation_of_a_copy_noise_and_an_id() -> None:
    targets = np.repeat(np.arange(20.0), 50)
    assert group_correlation(codes(np.repeat(np.arange(20), 50)), targets) == pytest.approx(1)
    assert group_correlation(codes(RNG.integers(0, 20, 1000)), targets) < 0.1
    assert group_correlation(codes(np.arange(1000)), targets) == 0


@pytest.mark.parametrize("labels", [np.empty(0, np.int64), np.zeros(10, np.int64)])
def test_scores_without_classes_are_zero(labels: np.ndarray) -> None:
    values = np.arange(float(len(labels)))
    assert leave_one_out_accuracy(codes(values), labels) == 0
    assert interval_score(values, labels) == 0
    assert rank_correlation(values[:0], values[:0]) == 0
    assert group_correlation(codes(values[:0]), values[:0]) == 0
