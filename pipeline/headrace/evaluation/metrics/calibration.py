"""Calibration: confidences that mean what they say, and the confidence above which a model may be trusted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 15  # as in Guo et al. (2017), section 5
LOG_BETA_BOUNDS = (-5.0, 5.0)  # temperatures from 0.0067 to 148
NUM_HALVINGS = 30  # of a range of 10: the temperature is right to 1e-8


class Bin(NamedTuple):
    """Rows of similar confidence."""

    confidence: float
    """Their mean confidence."""
    accuracy: float
    """The share of them that is right."""
    rows: int


class Threshold(NamedTuple):
    """Where to draw the line between answering and asking a person."""

    confidence: float
    """Answer above it (strictly); 1 when no line reaches the target."""
    coverage: float
    """Share of the rows above it."""


def fit_temperature(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """The temperature that minimises the loss of `softmax(logits / temperature)`; 1 where logits say nothing.

    Guo et al. (2017), On Calibration of Modern Neural Networks, section 4.2. The loss is convex in
    beta = 1 / temperature, so that its slope, mean(E_p[z] - z_target), is monotone: halving finds the root. A share
    1 / (rows + 2) of each target goes to its strongest rival, as in Platt (1999), Probabilistic Outputs for Support
    Vector Machines, section 2.2: else a model without a mistake on these rows would never be unsure again.
    """
    from headrace.evaluation.metrics.classification import softmax

    if np.ptp(logits, axis=1).max() == 0:
        return 1.0
    rows, doubt = np.arange(len(targets)), 1 / (len(targets) + 2)
    rivals = logits.copy()
    rivals[rows, targets] = -np.inf
    target_logits = logits[rows, targets] * (1 - doubt) + rivals.max(axis=1) * doubt
    low, high = LOG_BETA_BOUNDS
    for _ in range(NUM_HALVINGS):
        middle = (low + high) / 2
        expected = (softmax(logits, float(np.exp(-middle))) * logits).sum(axis=1)
        low, high = (low, middle) if (expected - target_logits).mean() > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))


def reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_], num_bins: int = NUM_BINS) -> list[Bin]:
    """Confidence against accuracy in bins of equal width over (0, 1]; empty bins are left out."""
    bins = np.clip(np.ceil(confidence * num_bins).astype(int) - 1, 0, num_bins - 1)
    return [
        Bin(float(confidence[rows].mean()), float(correct[rows].mean()), int(rows.sum()))
        for rows in (bins == index for index in range(num_bins))
        if rows.any()
    ]


def expected_calibration_error(bins: list[Bin]) -> float:
    """Mean distance of confidence from accuracy, by rows, in [0, 1]: Guo et al. (2017), equation 3."""
    num_rows = sum(found.rows for found in bins)
    return sum(found.rows / num_rows * abs(found.confidence - found.accuracy) for found in bins)


def confidence_threshold(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], target_accuracy: float
) -> Threshold:
    """The lowest confidence above which the accuracy still reaches the target: the most rows answered.

    It is read from the same rows that it is told for, hence slightly hopeful on new ones.
    """
    order = np.argsort(-confidence, kind="stable")
    falling = confidence[order]
    accuracy = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    is_last_of_equals = np.append(falling[1:] != falling[:-1], True)  # equals stand or fall together
    reaches = np.flatnonzero(is_last_of_equals & (accuracy >= target_accuracy))
    if len(reaches) == 0:
        return Threshold(1.0, 0.0)
    num_answered = int(reaches[-1]) + 1
    is_every_row = num_answered == len(order)
    return Threshold(0.0 if is_every_row else float(falling[num_answered]), num_answered / len(order))
