import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.evaluation.metrics.classification import (
    accuracy,
    agreement,
    confusion_matrix,
    macro_f1,
    negative_log_likelihood,
    per_class_metrics,
    softmax,
    summary_metrics,
    wilson_interval,
)

TARGETS = np.array([0, 0, 0, 1, 1, 3])
PREDICTED = np.array([0, 0, 1, 1, 0, 3])


def test_softmax_inverts_the_logarithm_of_probabilities() -> None:
    probabilities = np.array([[0.2, 0.3, 0.5]])
    assert softmax(np.log(probabilities).astype(np.float32)) == pytest.approx(probabilities)
    assert softmax(np.log(probabilities).astype(np.float32), 1e6) == pytest.approx(np.full((1, 3), 1 / 3), abs=1e-5)


def test_loss_matches_hand_computation_and_is_finite_for_a_confident_mistake() -> None:
    logits = np.log(np.array([[0.25, 0.75], [0.5, 0.5]])).astype(np.float32)
    by_hand = -(np.log(0.25) + np.log(0.5)) / 2
    assert negative_log_likelihood(logits, np.array([0, 1])) == pytest.approx(by_hand, rel=1e-6)
    assert negative_log_likelihood(np.array([[0, 5000]], np.float32), np.array([0])) == 5000


@settings(deadline=None)
@given(st.integers(1, 100_000).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows))))
def test_wilson_interval_contains_the_proportion_and_lies_in_0_to_1(counts: tuple[int, int]) -> None:
    low, high = wilson_interval(*counts)
    assert 0 <= low <= counts[0] / counts[1] <= high <= 1
    assert low < high


@pytest.mark.parametrize(("num_correct", "num_rows"), [(0, 5), (5, 5), (81, 263), (9_500, 10_000)])
def test_wilson_interval_matches_scipy(num_correct: int, num_rows: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(num_correct, num_rows).proportion_ci(method="wilson")
    assert wilson_interval(num_correct, num_rows) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_of_no_rows_is_0_to_1() -> None:
    assert wilson_interval(0, 0) == (0, 1)


def test_accuracy_and_agreement_compare_largest_logits() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 1.0], [0.0, 1.0], [2.0, 1.0]], np.float32)
    assert accuracy(logits, np.array([0, 1, 0, 0])) == 0.75
    assert agreement(logits, 5 * logits) == 1
    assert agreement(logits, -logits) == 0


def test_per_class_metrics_match_hand_computation() -> None:
    confusion = confusion_matrix(TARGETS, PREDICTED, 4)
    assert confusion.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    by_class = per_class_metrics(confusion)
    assert by_class.rows.tolist() == [3, 2, 0, 1]
    assert by_class.precision == pytest.approx([2 / 3, 1 / 2, 0, 1])
    assert by_class.recall == pytest.approx([2 / 3, 1 / 2, 0, 1])
    assert by_class.f1 == pytest.approx([2 / 3, 1 / 2, 0, 1])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_macro_f1_matches_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import f1_score

    targets, predicted = np.array(pairs).T
    ours = macro_f1(confusion_matrix(targets, predicted, 4))
    assert ours == pytest.approx(f1_score(targets, predicted, average="macro", zero_division=0))


def test_summary_metrics_match_hand_computation() -> None:
    logits = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])).astype(np.float32)
    metrics = summary_metrics(logits, np.array([0, 1, 0]))
    assert metrics["num_rows"] == 3
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert metrics["accuracy_low"] < 2 / 3 < metrics["accuracy_high"]
    assert metrics["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4]).mean(), rel=1e-6)
    assert metrics["macro_f1"] == pytest.approx(2 / 3)
