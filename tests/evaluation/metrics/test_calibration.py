import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.evaluation.metrics.calibration import (
    confidence_threshold,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from headrace.evaluation.metrics.classification import softmax


def drawn(temperature: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits whose targets are drawn at that temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (4000, 4)).astype(np.float32)
    shares = softmax(logits, temperature)
    return logits, np.array([rng.choice(4, p=row) for row in shares])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_fit_temperature_finds_the_one_that_made_the_targets(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.08)


def test_fit_temperature_is_scipys_minimum() -> None:
    from scipy.optimize import minimize_scalar

    logits, targets = drawn(2.0)
    doubt, is_target = 1 / 4002, np.eye(4, dtype=bool)[targets]  # Platt's share, for the strongest rival
    rivals = np.where(is_target, -np.inf, logits).argmax(axis=1)
    soft_targets = is_target * (1 - doubt) + np.eye(4)[rivals] * doubt

    def loss(log_temperature: float) -> float:
        return float(-(soft_targets * np.log(softmax(logits, float(np.exp(log_temperature))))).sum())

    found = minimize_scalar(loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-7})
    assert fit_temperature(logits, targets) == pytest.approx(np.exp(found.x), rel=1e-4)


def test_fit_temperature_of_extremes_stays_finite() -> None:
    sure = np.array([[9, 0], [0, 9]], np.float32)
    # never wrong on two rows: as sure as 3 in 4, Platt's (rows + 1) / (rows + 2)
    assert fit_temperature(sure, np.array([0, 1])) == pytest.approx(9 / np.log(3), rel=1e-6)
    assert fit_temperature(sure, np.array([1, 0])) == pytest.approx(np.exp(5), rel=1e-6)
    assert fit_temperature(np.zeros((3, 2), np.float32), np.array([0, 1, 1])) == 1


def test_reliability_and_error_by_hand() -> None:
    confidence = np.array([0.95, 0.85, 0.9, 0.5, 1.0])
    correct = np.array([True, True, False, False, True])
    bins = reliability(confidence, correct, num_bins=2)
    assert [(found.accuracy, found.rows) for found in bins] == [(0, 1), (0.75, 4)]
    assert [found.confidence for found in bins] == pytest.approx([0.5, 0.925])
    assert expected_calibration_error(bins) == pytest.approx(0.2 * 0.5 + 0.8 * 0.175)


rows_of_confidence = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@settings(deadline=None)
@given(rows_of_confidence)
def test_reliability_keeps_every_row_and_error_stays_inside(pairs: list[tuple[float, bool]]) -> None:
    confidence, correct = np.array([c for c, _ in pairs]), np.array([right for _, right in pairs])
    bins = reliability(confidence, correct)
    assert sum(found.rows for found in bins) == len(pairs)
    assert 0 <= expected_calibration_error(bins) <= 1
    # grouping only averages errors out: never more than the mean distance of single rows
    assert expected_calibration_error(bins) <= np.abs(confidence - correct).mean() + 1e-9


@settings(deadline=None)
@given(rows_of_confidence, st.floats(0.01, 1))
def test_threshold_reaches_its_target_with_the_most_rows(pairs: list[tuple[float, bool]], target: float) -> None:
    confidence, correct = np.array([max(c, 0.01) for c, _ in pairs]), np.array([right for _, right in pairs])
    found = confidence_threshold(confidence, correct, target)
    answered = confidence > found.confidence
    assert answered.mean() == pytest.approx(found.coverage)
    assert not answered.any() or correct[answered].mean() >= target
    lower = [line for line in (0.0, *confidence) if line < found.confidence and (confidence > line).any()]
    assert all(correct[confidence > line].mean() < target for line in lower)


def test_threshold_by_hand() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    correct = np.array([True, True, False, False])
    assert confidence_threshold(confidence, correct, 1.0) == (0.7, 0.5)
    assert confidence_threshold(confidence, correct, 0.5) == (0.0, 1.0)
    assert confidence_threshold(confidence, ~correct, 0.9) == (1.0, 0.0)
