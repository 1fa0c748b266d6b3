"""Multilabel metrics from logits and targets, both `[rows, labels]`; targets are boolean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.metrics.calibration import minimize_over_temperature
from headrace.evaluation.metrics.classification import wilson_interval
from headrace.evaluation.metrics.ranking import average_precision

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class PerLabelMetrics(NamedTuple):
    """Each label on its own; each array is `[labels]`, and 0 where a ratio is undefined."""

    rows: NDArray[np.int64]
    precision: Floats
    recall: Floats
    f1: Floats
    average_precision: Floats
    """Area under the precision-recall curve."""


def summary_metrics(
    logits: NDArray[np.float32], targets: Bools, *, temperature: float, threshold: float
) -> dict[str, float | int]:
    """Number of rows, F1, accuracy with its 95 % interval, and loss.

    `accuracy` is the fraction of correct labels over rows and labels; `exact_match` is the fraction of rows whose
    labels are all correct.
    """
    probabilities = sigmoid(logits, temperature)
    predicted = probabilities > threshold
    correct, by_label = predicted == targets, per_label_metrics(probabilities, predicted, targets)
    occurs = occurring_labels(predicted, targets)
    low, high = wilson_interval(float(correct.mean(axis=1).sum()), len(targets))
    return {
        "num_rows": len(targets),
        "micro_f1": micro_f1(predicted, targets),
        "macro_f1": float(by_label.f1[occurs].mean()) if occurs.any() else 1.0,
        "accuracy": label_accuracy(predicted, targets),
        "accuracy_low": low,
        "accuracy_high": high,
        "exact_match": float(correct.all(axis=1).mean()),
        "loss": log_loss(logits, targets),
    }


def label_accuracy(predicted: Bools, targets: Bools) -> float:
    """Fraction of labels that are correct, over rows and labels."""
    return float((predicted == targets).mean())


def micro_f1(predicted: Bools, targets: Bools) -> float:
    """F1 over all labels of all rows; 1 if no row has a label and none is predicted."""
    num_correct, num_either = int((predicted & targets).sum()), int(predicted.sum()) + int(targets.sum())
    return 2 * num_correct / num_either if num_either else 1.0


def micro_f1_by_row(predicted: Bools, targets: Bools) -> Floats:
    """`[rows]`: what each row adds to micro F1, such that the mean is micro F1.

    The linearization of a ratio of sums (delta method): Cochran (1977), Sampling Techniques, section 6.4. With it the
    standard error of a difference between two models on the same rows is that of a mean.
    """
    f1 = micro_f1(predicted, targets)
    num_correct, num_either = (predicted & targets).sum(axis=1), predicted.sum(axis=1) + targets.sum(axis=1)
    if not num_either.any():
        return np.full(len(targets), f1)
    return np.asarray(f1 + (2 * num_correct - f1 * num_either) / num_either.mean())


def sigmoid(logits: NDArray[np.float32], temperature: float = 1.0) -> Floats:
    """Logits -> probabilities of the same shape; a temperature above 1 makes them less confident."""
    scaled = logits.astype(np.float64) / temperature
    odds = np.exp(-np.abs(scaled))
    return np.asarray(np.where(scaled >= 0, 1, odds) / (1 + odds))


def log_loss(logits: NDArray[np.float32], targets: Bools) -> float:
    """Mean binary cross-entropy in nats, over rows and labels; finite for finite logits."""
    return float(log_losses(logits, targets).mean())


def log_losses(logits: NDArray[np.float32], targets: Bools) -> Floats:
    """`[rows]`: mean binary cross-entropy over the labels, in nats."""
    margins = np.where(targets, -logits.astype(np.float64), logits.astype(np.float64))
    return np.asarray(np.logaddexp(0, margins).mean(axis=1))


def fit_temperature(logits: NDArray[np.float32], targets: Bools) -> float:
    """The temperature, shared by all labels, that minimizes the loss; smoothed as `calibration.fit_temperature`."""
    if not logits.any():
        return 1.0
    smoothing = 1 / (len(logits) + 2)
    smoothed, exact = targets * (1 - 2 * smoothing) + smoothing, logits.astype(np.float64)
    return minimize_over_temperature(
        lambda beta: float((np.logaddexp(0, beta * exact) - beta * exact * smoothed).mean())
    )


def best_threshold(probabilities: Floats, targets: Bools) -> float:
    """The probability above which (strictly) a label is predicted, chosen for the highest micro F1 on these rows.

    One threshold for all labels, since few rows have any one of them. It lies halfway between two probabilities that
    occur; 1/2 if no row has a label.
    """
    if not targets.any():
        return 0.5
    order = np.argsort(-probabilities, axis=None, kind="stable")
    descending, hits = probabilities.ravel()[order], targets.ravel()[order]
    f1 = 2 * np.cumsum(hits) / (np.arange(1, len(order) + 1) + hits.sum())
    is_last_of_ties = np.append(descending[1:] != descending[:-1], True)
    best = int(np.argmax(np.where(is_last_of_ties, f1, -1)))
    return float((descending[best] + descending[best + 1]) / 2) if best + 1 < len(descending) else 0.0


def per_label_metrics(probabilities: Floats, predicted: Bools, targets: Bools) -> PerLabelMetrics:
    """Precision, recall, F1 and average precision of each label; 0 / 0 counts as 0, as in scikit-learn."""
    num_correct, num_predicted, num_actual = (flags.sum(axis=0) for flags in (predicted & targets, predicted, targets))
    average = [
        average_precision(probabilities[:, label], targets[:, label]).value if num_actual[label] else 0.0
        for label in range(targets.shape[1])
    ]
    return PerLabelMetrics(
        num_actual.astype(np.int64),
        num_correct / np.maximum(num_predicted, 1),
        num_correct / np.maximum(num_actual, 1),
        2 * num_correct / np.maximum(num_predicted + num_actual, 1),
        np.array(average),
    )


def occurring_labels(predicted: Bools, targets: Bools) -> Bools:
    """`[labels]`: whether any row has the label or is predicted to have it."""
    return np.asarray(predicted.any(axis=0) | targets.any(axis=0))
