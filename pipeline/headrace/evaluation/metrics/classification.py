"""Classification metrics from logits and targets: accuracy with its interval, F1, loss, confusion matrix."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class PerClassMetrics(NamedTuple):
    """Each class against all others; each array is `[classes]`, and 0 where a ratio is undefined."""

    rows: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def summary_metrics(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, float | int]:
    """Number of rows, accuracy and its 95 % interval, loss and macro F1."""
    num_rows = len(targets)
    low, high = wilson_interval(int(is_correct(logits, targets).sum()), num_rows)
    return {
        "num_rows": num_rows,
        "accuracy": accuracy(logits, targets),
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": negative_log_likelihood(logits, targets),
        "macro_f1": macro_f1(confusion_matrix(targets, logits.argmax(axis=1), logits.shape[1])),
    }


def is_correct(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """`[rows]`: whether the largest logit is that of the target."""
    return np.asarray(logits.argmax(axis=1) == targets)


def accuracy(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Fraction of rows whose largest logit is that of the target."""
    return float(is_correct(logits, targets).mean())


def agreement(logits: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Fraction of rows for which two models predict the same class."""
    return accuracy(logits, reference.argmax(axis=1))


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float64]:
    """Logits `[rows, classes]` -> probabilities `[rows, classes]`; a temperature above 1 makes them less confident."""
    scaled = logits.astype(np.float64) / temperature
    odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return probabilities


def negative_log_likelihood(logits: NDArray[np.float32], targets: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean of -log p(target) in nats; finite for finite logits, however wrong."""
    return float(log_losses(logits, targets, temperature).mean())


def log_losses(
    logits: NDArray[np.float32], targets: NDArray[np.int64], temperature: float = 1.0
) -> NDArray[np.float64]:
    """`[rows]`: -log p(target) in nats."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    losses: NDArray[np.float64] = np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(targets)), targets]
    return losses


def wilson_interval(num_correct: float, num_rows: int, confidence: float = 0.95) -> tuple[float, float]:
    """Low and high end of the score interval of a proportion; accurate near 0 and 1 and for few rows.

    Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference, JASA 22, 209-212. (0, 1) for
    no rows. `num_correct` may be a sum of fractions of rows; the interval is then wider than necessary.
    """
    if num_rows == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    proportion, slack = num_correct / num_rows, z**2 / num_rows
    center = (proportion + slack / 2) / (1 + slack)
    half_width = z * (proportion * (1 - proportion) / num_rows + slack / (4 * num_rows)) ** 0.5 / (1 + slack)
    # at 0 and 1 an end coincides with the estimate; rounding must not put it on the wrong side
    return max(0.0, min(proportion, center - half_width)), min(1.0, max(proportion, center + half_width))


def confusion_matrix(targets: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """Counts `[actual, predicted]`."""
    counts = np.bincount(targets * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def per_class_metrics(confusion: NDArray[np.int64]) -> PerClassMetrics:
    """Precision, recall and F1 of each class; 0 / 0 counts as 0, as in scikit-learn."""
    correct, actual, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    precision = correct / np.maximum(predicted, 1)
    recall = correct / np.maximum(actual, 1)
    f1 = 2 * correct / np.maximum(actual + predicted, 1)
    return PerClassMetrics(actual, precision, recall, f1)


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Mean F1 over the classes that occur among targets or predictions, as in scikit-learn."""
    occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    return float(per_class_metrics(confusion).f1[occurs].mean())
