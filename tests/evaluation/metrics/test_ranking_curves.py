import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from headrace.evaluation.metrics.ranking_curves import area_under_roc, average_precision, trace_ranking

RNG = np.random.default_rng(0)
TRUTH = RNG.random(500) < 0.3
SCORES = np.round(TRUTH + RNG.normal(0, 1, 500), 1)  # with ties


def test_area_under_roc_matches_scikit_learn():
    area = area_under_roc(SCORES[TRUTH], SCORES[~TRUTH])
    assert area.value == pytest.approx(roc_auc_score(TRUTH, SCORES))
    assert area.low < area.value < area.high


def test_average_precision_matches_scikit_learn():
    assert average_precision(trace_ranking(SCORES, TRUTH)) == pytest.approx(average_precision_score(TRUTH, SCORES))


def test_trace_ranking_encloses_the_area():
    curve = trace_ranking(SCORES, TRUTH)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(roc_auc_score(TRUTH, SCORES))
    assert (curve.false_positive_rate[0], curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (0, 1, 1)


def test_area_under_roc_interval_covers_the_true_area():
    # scores that differ by one deviation: the area is Phi(1 / sqrt(2)) = 0.7602
    areas = [area_under_roc(RNG.normal(1, 1, 80), RNG.normal(0, 1, 120)) for _ in range(300)]
    assert np.mean([area.low <= 0.7602 <= area.high for area in areas]) == pytest.approx(0.95, abs=0.04)


def test_area_under_roc_of_one_row_each():
    assert area_under_roc(np.array([1.0]), np.array([0.0])) == (1, 1, 1)
    assert area_under_roc(np.array([0.0]), np.array([0.0])).value == 0.5
