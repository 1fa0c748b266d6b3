"""Calibration: temperature scaling, calibration error, and the confidence above which predictions can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 15  # as in Guo et al. (2017), section 5
LOG_BETA_BOUNDS = (-5.0, 5.0)  # temperatures from 0.0067 to 148
LOG_BETA_TOLERANCE = 1e-9


class Bin(NamedTuple):
    """Rows of similar confidence."""

    confidence: float
    """Their mean confidence."""
    accuracy: float
    """The fraction of them that is correct."""
    rows: int


class Threshold(NamedTuple):
    """A confidence threshold above which the model's predictions are accepted."""

    confidence: float
    """Predictions strictly above it are accepted; 1 if no threshold reaches the target accuracy."""
    coverage: float
    """Fraction of the rows above it."""


def fit_temperature(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """The temperature that minimizes the loss of `softmax(logits / temperature)`; 1 if the logits never differ.

    Guo et al. (2017), On Calibration of Modern Neural Networks, section 4.2. A fraction 1 / (rows + 2) of each target
    goes to its strongest rival, as in Platt (1999), Probabilistic Outputs for Support Vector Machines, section 2.2.
    Without it, a model that makes no mistake on these rows would get a temperature of 0.
    """
    if np.ptp(logits, axis=1).max() == 0:
        return 1.0
    rows, smoothing = np.arange(len(targets)), 1 / (len(targets) + 2)
    rivals = logits.copy()
    rivals[rows, targets] = -np.inf
    target_logits = logits[rows, targets] * (1 - smoothing) + rivals.max(axis=1) * smoothing
    largest = logits.max(axis=1).astype(np.float64)  # subtracted, for exp not to overflow
    margins, target_margins = logits - largest[:, None], target_logits - largest

    def loss(beta: float) -> float:
        return float((np.log(np.exp(beta * margins).sum(axis=1)) - beta * target_margins).mean())

    return minimize_over_temperature(loss)


def minimize_over_temperature(loss: Callable[[float], float]) -> float:
    """The temperature at which a loss that is convex in beta = 1 / temperature is lowest."""
    from scipy.optimize import minimize_scalar

    minimum = minimize_scalar(
        lambda log_beta: loss(float(np.exp(log_beta))),
        bounds=LOG_BETA_BOUNDS,
        method="bounded",
        options={"xatol": LOG_BETA_TOLERANCE},
    )
    return float(np.exp(-minimum.x))


def reliability_bins(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], num_bins: int = NUM_BINS
) -> list[Bin]:
    """Confidence against accuracy in bins of equal width over (0, 1], without the empty ones."""
    bins = find_bins(confidence, num_bins)
    return [
        Bin(float(confidence[rows].mean()), float(correct[rows].mean()), int(rows.sum()))
        for rows in (bins == index for index in range(num_bins))
        if rows.any()
    ]


def find_bins(confidence: NDArray[np.float64], num_bins: int = NUM_BINS) -> NDArray[np.int64]:
    """The bin of each confidence, of the same shape: bins of equal width over (0, 1]; 0 is in the first."""
    return np.asarray(np.clip(np.ceil(confidence * num_bins) - 1, 0, num_bins - 1), np.int64)


def expected_calibration_error(bins: list[Bin]) -> float:
    """Mean distance between confidence and accuracy, weighted by rows, in [0, 1]: Guo et al. (2017), equation 3."""
    num_rows = sum(bin_.rows for bin_ in bins)
    return sum(bin_.rows / num_rows * abs(bin_.confidence - bin_.accuracy) for bin_ in bins)


def confidence_threshold(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], target_accuracy: float
) -> Threshold:
    """The lowest confidence above which the accuracy reaches the target, so that the most rows are accepted.

    Chosen on the rows it is reported for, so it is slightly optimistic for new ones.
    """
    order = np.argsort(-confidence, kind="stable")
    descending = confidence[order]
    accuracy = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    is_last_of_ties = np.append(descending[1:] != descending[:-1], True)  # ties are accepted or rejected together
    candidates = np.flatnonzero(is_last_of_ties & (accuracy >= target_accuracy))
    if len(candidates) == 0:
        return Threshold(1.0, 0.0)
    num_accepted = int(candidates[-1]) + 1
    is_every_row = num_accepted == len(order)
    return Threshold(0.0 if is_every_row else float(descending[num_accepted]), num_accepted / len(order))
