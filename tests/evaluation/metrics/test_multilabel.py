import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score

from headrace.evaluation.metrics.multilabel import (
    best_threshold,
    fit_temperature,
    label_figures,
    sigmoid,
    summary_metrics,
)
from headrace.evaluation.metrics.multilabel import log_loss as ours

RNG = np.random.default_rng(0)
DUE = RNG.random((200, 4)) < [0.5, 0.3, 0.1, 0.0]  # no row has the last label
LOGITS = ((DUE - 0.5) * 3 + RNG.normal(0, 1.5, DUE.shape)).astype(np.float32)


def test_sigmoid_of_any_logit_is_finite():
    assert sigmoid(np.array([-1e4, 0, 1e4], np.float32)).tolist() == [0, 0.5, 1]


def test_loss_is_scikit_learns():
    expected = np.mean([log_loss(DUE[:, k], sigmoid(LOGITS)[:, k], labels=[False, True]) for k in range(4)])
    assert ours(LOGITS, DUE) == pytest.approx(expected, rel=1e-6)


def test_headline_is_scikit_learns():
    found = summary_metrics(LOGITS, DUE, temperature=1.0, threshold=0.5)
    given = LOGITS > 0
    varies = [0, 1, 2]
    assert found["num_rows"] == 200
    assert found["micro_f1"] == pytest.approx(f1_score(DUE, given, average="micro"))
    assert found["macro_f1"] == pytest.approx(f1_score(DUE, given, average="macro", zero_division=0.0))
    assert found["accuracy"] == pytest.approx((given == DUE).mean())
    assert found["exact_match"] == pytest.approx((given == DUE).all(axis=1).mean())
    assert found["accuracy_low"] < found["accuracy"] < found["accuracy_high"]
    expected = np.mean([average_precision_score(DUE[:, k], LOGITS[:, k]) for k in varies])
    assert found["mean_average_precision"] == pytest.approx(expected)
    assert found["auroc"] == pytest.approx(np.mean([roc_auc_score(DUE[:, k], LOGITS[:, k]) for k in varies]))


def test_figures_of_a_label_that_no_row_has_are_0():
    figures = label_figures(sigmoid(LOGITS), LOGITS > 0, DUE)
    assert figures.rows.tolist() == DUE.sum(axis=0).tolist()
    assert (figures.recall[3], figures.f1[3], figures.average_precision[3]) == (0, 0, 0)


def test_temperature_minimises_the_loss():
    best = minimize_scalar(lambda t: ours(LOGITS / np.float32(t), DUE), bounds=(0.1, 10), method="bounded").x
    assert fit_temperature(LOGITS, DUE) == pytest.approx(best, rel=0.05)  # a share of each target goes to doubt
    assert fit_temperature(4 * LOGITS, DUE) == pytest.approx(4 * fit_temperature(LOGITS, DUE), rel=1e-4)
    assert fit_temperature(np.zeros((3, 2), np.float32), np.ones((3, 2), bool)) == 1


def test_temperature_of_a_model_without_a_mistake_is_finite():
    assert 0.01 < fit_temperature(np.where(DUE, 5, -5).astype(np.float32), DUE) < 10


def test_threshold_is_that_of_the_highest_micro_f1():
    probabilities, due = sigmoid(LOGITS[:20]), DUE[:20]
    best = max(f1_score(due, probabilities > line, average="micro") for line in np.unique(probabilities))
    assert f1_score(due, probabilities > best_threshold(probabilities, due), average="micro") == pytest.approx(best)


def test_threshold_parts_no_equals():
    probabilities = np.array([[0.9], [0.4], [0.4], [0.1]])
    assert best_threshold(probabilities, np.array([[True], [True], [False], [False]])) == pytest.approx(0.25)
    assert best_threshold(probabilities, np.zeros((4, 1), bool)) == 0.5
