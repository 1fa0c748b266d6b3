"""Figures of a classifier, from logits and targets: accuracy with its interval, F1, loss, confusion."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ClassFigures(NamedTuple):
    """One class against all others; each array is `[classes]`, and 0 where nothing can be said."""

    rows: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float64]:
    """Logits `[rows, classes]` -> probabilities `[rows, classes]`; a temperature above 1 makes them less sure."""
    scaled = logits.astype(np.float64) / temperature
    odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return probabilities


def negative_log_likelihood(logits: NDArray[np.float32], targets: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean of -log p(target) in nats; finite for finite logits, however wrong."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    log_normaliser = np.log(np.exp(scaled).sum(axis=1))
    return float((log_normaliser - scaled[np.arange(len(targets)), targets]).mean())


def wilson_interval(num_correct: float, num_rows: int, confidence: float = 0.95) -> tuple[float, float]:
    """Low and high end of a share's score interval, which holds near 0 and 1 and for few rows.

    Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference, JASA 22, 209-212. No rows
    at all say nothing: (0, 1). `num_correct` may add up shares of rows: then the interval is wider than it need be.
    """
    if num_rows == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, slack = num_correct / num_rows, z**2 / num_rows
    centre = (share + slack / 2) / (1 + slack)
    half_width = z * (share * (1 - share) / num_rows + slack / (4 * num_rows)) ** 0.5 / (1 + slack)
    # the estimate bounds both ends: at 0 and 1 they meet it, up to rounding
    return max(0.0, min(share, centre - half_width)), min(1.0, max(share, centre + half_width))


def confusion_matrix(targets: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """Counts `[actual, predicted]`."""
    counts = np.bincount(targets * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def class_figures(confusion: NDArray[np.int64]) -> ClassFigures:
    """Precision, recall and F1 of each class; 0 / 0 counts as 0, as in scikit-learn."""
    right, actual, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    precision = right / np.maximum(predicted, 1)
    recall = right / np.maximum(actual, 1)
    f1 = 2 * right / np.maximum(actual + predicted, 1)
    return ClassFigures(actual, precision, recall, f1)


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Mean of the classes' F1, over the classes that occur among targets or predictions (as scikit-learn does)."""
    occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    return float(class_figures(confusion).f1[occurs].mean())


def summary_metrics(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, float | int]:
    """The figures that every judgement begins with: rows, accuracy and its 95 % interval, loss, macro F1."""
    predicted = logits.argmax(axis=1)
    num_rows, num_correct = len(targets), int(np.sum(predicted == targets))
    low, high = wilson_interval(num_correct, num_rows)
    return {
        "num_rows": num_rows,
        "accuracy": num_correct / num_rows,
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": negative_log_likelihood(logits, targets),
        "macro_f1": macro_f1(confusion_matrix(targets, predicted, logits.shape[1])),
    }
