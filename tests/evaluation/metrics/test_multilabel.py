import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn import metrics as reference

from headrace.evaluation.metrics.multilabel import (
    best_threshold,
    fit_temperature,
    log_loss,
    micro_f1,
    per_label_metrics,
    sigmoid,
    summary_metrics,
)

RNG = np.random.default_rng(0)
TARGETS = RNG.random((200, 4)) < [0.5, 0.3, 0.1, 0.0]  # no row has the last label
LOGITS = ((TARGETS - 0.5) * 3 + RNG.normal(0, 1.5, TARGETS.shape)).astype(np.float32)


def test_sigmoid_of_extreme_logits_is_finite():
    assert sigmoid(np.array([-1e4, 0, 1e4], np.float32)).tolist() == [0, 0.5, 1]


def test_log_loss_matches_scikit_learn():
    expected = np.mean(
        [reference.log_loss(TARGETS[:, k], sigmoid(LOGITS)[:, k], labels=[False, True]) for k in range(4)]
    )
    assert log_loss(LOGITS, TARGETS) == pytest.approx(expected, rel=1e-6)


def test_summary_metrics_match_scikit_learn():
    metrics = summary_metrics(LOGITS, TARGETS, temperature=1.0, threshold=0.5)
    predicted = LOGITS > 0
    assert metrics["num_rows"] == 200
    assert metrics["micro_f1"] == pytest.approx(reference.f1_score(TARGETS, predicted, average="micro"))
    assert metrics["macro_f1"] == pytest.approx(
        reference.f1_score(TARGETS, predicted, average="macro", zero_division=0.0)
    )
    assert metrics["accuracy"] == pytest.approx((predicted == TARGETS).mean())
    assert metrics["exact_match"] == pytest.approx((predicted == TARGETS).all(axis=1).mean())
    assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"]


def test_per_label_metrics_of_an_absent_label_are_0():
    by_label = per_label_metrics(sigmoid(LOGITS), LOGITS > 0, TARGETS)
    assert by_label.rows.tolist() == TARGETS.sum(axis=0).tolist()
    assert (by_label.recall[3], by_label.f1[3], by_label.average_precision[3]) == (0, 0, 0)


def test_fit_temperature_minimizes_the_loss():
    best = minimize_scalar(lambda t: log_loss(LOGITS / np.float32(t), TARGETS), bounds=(0.1, 10), method="bounded").x
    assert fit_temperature(LOGITS, TARGETS) == pytest.approx(best, rel=0.05)  # targets are smoothed
    assert fit_temperature(4 * LOGITS, TARGETS) == pytest.approx(4 * fit_temperature(LOGITS, TARGETS), rel=1e-4)
    assert fit_temperature(np.zeros((3, 2), np.float32), np.ones((3, 2), bool)) == 1


def test_fit_temperature_without_mistakes_is_finite():
    assert 0.01 < fit_temperature(np.where(TARGETS, 5, -5).astype(np.float32), TARGETS) < 10


def test_best_threshold_has_the_highest_micro_f1():
    probabilities, targets = sigmoid(LOGITS[:20]), TARGETS[:20]
    best = max(
        reference.f1_score(targets, probabilities > level, average="micro") for level in np.unique(probabilities)
    )
    assert reference.f1_score(
        targets, probabilities > best_threshold(probabilities, targets), average="micro"
    ) == pytest.approx(best)


def test_best_threshold_does_not_separate_ties():
    probabilities = np.array([[0.9], [0.4], [0.4], [0.1]])
    assert best_threshold(probabilities, np.array([[True], [True], [False], [False]])) == pytest.approx(0.25)
    assert best_threshold(probabilities, np.zeros((4, 1), bool)) == 0.5


def test_micro_f1_without_any_label_is_1():
    nothing = np.zeros((3, 2), bool)
    assert micro_f1(nothing, nothing) == 1
    assert micro_f1(~nothing, nothing) == 0
