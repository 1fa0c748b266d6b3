import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq

from headrace.evaluation.metrics.calibration import (
    confidence_threshold,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)
from headrace.evaluation.metrics.classification import softmax


def draw_targets(temperature: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits, and targets drawn at that temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (4000, 4)).astype(np.float32)
    probabilities = softmax(logits, temperature)
    return logits, np.array([rng.choice(4, p=row) for row in probabilities])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_fit_temperature_recovers_the_temperature_of_the_targets(temperature: float) -> None:
    assert fit_temperature(*draw_targets(temperature)) == pytest.approx(temperature, rel=0.08)


def test_fit_temperature_matches_the_root_of_the_slope() -> None:
    logits, targets = draw_targets(2.0)
    rows, smoothing = np.arange(4000), 1 / 4002  # Platt's smoothing, towards the strongest rival
    rivals = np.where(np.eye(4, dtype=bool)[targets], -np.inf, logits)
    target_logits = logits[rows, targets] * (1 - smoothing) + rivals.max(axis=1) * smoothing

    def slope(log_temperature: float) -> float:
        expected = (softmax(logits, float(np.exp(log_temperature))) * logits).sum(axis=1)
        return float((expected - target_logits).mean())

    temperature = np.exp(brentq(slope, -5, 5, xtol=1e-12))
    assert fit_temperature(logits, targets) == pytest.approx(temperature, rel=1e-7)


def test_fit_temperature_of_extreme_logits_is_finite() -> None:
    sure = np.array([[9, 0], [0, 9]], np.float32)
    # no mistake on two rows: a confidence of 3 in 4, Platt's (rows + 1) / (rows + 2)
    assert fit_temperature(sure, np.array([0, 1])) == pytest.approx(9 / np.log(3), rel=1e-6)
    assert fit_temperature(sure, np.array([1, 0])) == pytest.approx(np.exp(5), rel=1e-6)
    assert fit_temperature(np.zeros((3, 2), np.float32), np.array([0, 1, 1])) == 1


def test_reliability_bins_and_calibration_error_match_hand_computation() -> None:
    confidence = np.array([0.95, 0.85, 0.9, 0.5, 1.0])
    correct = np.array([True, True, False, False, True])
    bins = reliability_bins(confidence, correct, num_bins=2)
    assert [(bin_.accuracy, bin_.rows) for bin_ in bins] == [(0, 1), (0.75, 4)]
    assert [bin_.confidence for bin_ in bins] == pytest.approx([0.5, 0.925])
    assert expected_calibration_error(bins) == pytest.approx(0.2 * 0.5 + 0.8 * 0.175)


rows_of_confidence = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@settings(deadline=None)
@given(rows_of_confidence)
def test_reliability_bins_hold_every_row_and_calibration_error_is_bounded(pairs: list[tuple[float, bool]]) -> None:
    confidence, correct = np.array([c for c, _ in pairs]), np.array([is_correct for _, is_correct in pairs])
    bins = reliability_bins(confidence, correct)
    assert sum(bin_.rows for bin_ in bins) == len(pairs)
    assert 0 <= expected_calibration_error(bins) <= 1
    # averaging within bins cancels errors, so the mean distance of single rows is an upper bound
    assert expected_calibration_error(bins) <= np.abs(confidence - correct).mean() + 1e-9


@settings(deadline=None)
@given(rows_of_confidence, st.floats(0.01, 1))
def test_confidence_threshold_reaches_its_target_with_the_most_rows(
    pairs: list[tuple[float, bool]], target: float
) -> None:
    confidence, correct = np.array([max(c, 0.01) for c, _ in pairs]), np.array([is_correct for _, is_correct in pairs])
    threshold = confidence_threshold(confidence, correct, target)
    accepted = confidence > threshold.confidence
    assert accepted.mean() == pytest.approx(threshold.coverage)
    assert not accepted.any() or correct[accepted].mean() >= target
    lower = [level for level in (0.0, *confidence) if level < threshold.confidence and (confidence > level).any()]
    assert all(correct[confidence > level].mean() < target for level in lower)


def test_confidence_threshold_matches_hand_computation() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    correct = np.array([True, True, False, False])
    assert confidence_threshold(confidence, correct, 1.0) == (0.7, 0.5)
    assert confidence_threshold(confidence, correct, 0.5) == (0.0, 1.0)
    assert confidence_threshold(confidence, ~correct, 0.9) == (1.0, 0.0)
