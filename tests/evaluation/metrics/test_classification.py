import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.evaluation.metrics.classification import (
    class_figures,
    confusion_matrix,
    macro_f1,
    negative_log_likelihood,
    softmax,
    summary_metrics,
    wilson_interval,
)

TARGETS = np.array([0, 0, 0, 1, 1, 3])
PREDICTED = np.array([0, 0, 1, 1, 0, 3])


def test_softmax_of_logs_of_shares_is_the_shares() -> None:
    shares = np.array([[0.2, 0.3, 0.5]])
    assert softmax(np.log(shares).astype(np.float32)) == pytest.approx(shares)
    assert softmax(np.log(shares).astype(np.float32), 1e6) == pytest.approx(np.full((1, 3), 1 / 3), abs=1e-5)


def test_loss_by_hand_and_finite_for_a_sure_mistake() -> None:
    logits = np.log(np.array([[0.25, 0.75], [0.5, 0.5]])).astype(np.float32)
    by_hand = -(np.log(0.25) + np.log(0.5)) / 2
    assert negative_log_likelihood(logits, np.array([0, 1])) == pytest.approx(by_hand, rel=1e-6)
    assert negative_log_likelihood(np.array([[0, 5000]], np.float32), np.array([0])) == 5000


@settings(deadline=None)
@given(st.integers(1, 100_000).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows))))
def test_wilson_interval_holds_the_share_and_stays_inside(counts: tuple[int, int]) -> None:
    low, high = wilson_interval(*counts)
    assert 0 <= low <= counts[0] / counts[1] <= high <= 1
    assert low < high


@pytest.mark.parametrize(("num_correct", "num_rows"), [(0, 5), (5, 5), (81, 263), (9_500, 10_000)])
def test_wilson_interval_is_scipys(num_correct: int, num_rows: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(num_correct, num_rows).proportion_ci(method="wilson")
    assert wilson_interval(num_correct, num_rows) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_of_no_rows_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0, 1)


def test_confusion_and_class_figures_by_hand() -> None:
    confusion = confusion_matrix(TARGETS, PREDICTED, 4)
    assert confusion.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    figures = class_figures(confusion)
    assert figures.rows.tolist() == [3, 2, 0, 1]
    assert figures.precision == pytest.approx([2 / 3, 1 / 2, 0, 1])
    assert figures.recall == pytest.approx([2 / 3, 1 / 2, 0, 1])
    assert figures.f1 == pytest.approx([2 / 3, 1 / 2, 0, 1])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_macro_f1_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import f1_score

    targets, predicted = np.array(pairs).T
    ours = macro_f1(confusion_matrix(targets, predicted, 4))
    assert ours == pytest.approx(f1_score(targets, predicted, average="macro", zero_division=0))


def test_headline_tells_rows_accuracy_loss_and_f1() -> None:
    logits = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])).astype(np.float32)
    figures = summary_metrics(logits, np.array([0, 1, 0]))
    assert figures["num_rows"] == 3
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["accuracy_low"] < 2 / 3 < figures["accuracy_high"]
    assert figures["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4]).mean(), rel=1e-6)
    assert figures["macro_f1"] == pytest.approx(2 / 3)
