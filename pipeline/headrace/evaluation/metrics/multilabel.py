"""Figures of a model that gives a row any number of labels, from logits and targets `[rows, labels]` of 0 and 1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.metrics.calibration import LOG_BETA_BOUNDS, NUM_HALVINGS
from headrace.evaluation.metrics.classification import wilson_interval

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class LabelFigures(NamedTuple):
    """One label against its absence; each array is `[labels]`, and 0 where nothing can be said."""

    rows: NDArray[np.int64]
    precision: Floats
    recall: Floats
    f1: Floats
    average_precision: Floats
    """Area under precision over recall."""


def sigmoid(logits: NDArray[np.float32], temperature: float = 1.0) -> Floats:
    """Logits -> probabilities of the same shape; a temperature above 1 makes them less sure."""
    scaled = logits.astype(np.float64) / temperature
    odds = np.exp(-np.abs(scaled))
    return np.asarray(np.where(scaled >= 0, 1, odds) / (1 + odds))


def log_loss(logits: NDArray[np.float32], due: Bools) -> float:
    """Mean binary cross-entropy in nats, over rows and labels; finite for finite logits."""
    against = np.where(due, -logits.astype(np.float64), logits.astype(np.float64))
    return float(np.logaddexp(0, against).mean())


def fit_temperature(logits: NDArray[np.float32], due: Bools) -> float:
    """One temperature for all labels, that minimises the loss; as calibration.fit_temperature does for classes.

    The slope in beta = 1 / temperature, mean(z * (sigmoid(beta * z) - target)), is monotone: halving finds its root.
    """
    if not logits.any():
        return 1.0
    doubt = 1 / (len(logits) + 2)
    wanted = due * (1 - 2 * doubt) + doubt
    low, high = LOG_BETA_BOUNDS
    for _ in range(NUM_HALVINGS):
        middle = (low + high) / 2
        slope = (logits * (sigmoid(logits, float(np.exp(-middle))) - wanted)).mean()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))


def best_threshold(probabilities: Floats, due: Bools) -> float:
    """The probability above which (strictly) a label is given, that makes the micro F1 of these rows highest.

    One for all labels: few rows bear one each. It lies halfway between two probabilities that occur; 1/2 where no row
    has a label.
    """
    if not due.any():
        return 0.5
    order = np.argsort(-probabilities, axis=None, kind="stable")
    falling, hits = probabilities.ravel()[order], due.ravel()[order]
    f1 = 2 * np.cumsum(hits) / (np.arange(1, len(order) + 1) + hits.sum())
    is_last_of_equals = np.append(falling[1:] != falling[:-1], True)
    best = int(np.argmax(np.where(is_last_of_equals, f1, -1)))
    return float((falling[best] + falling[best + 1]) / 2) if best + 1 < len(falling) else 0.0


def label_figures(probabilities: Floats, given: Bools, due: Bools) -> LabelFigures:
    """By label; 0 / 0 counts as 0, as in scikit-learn."""
    from sklearn.metrics import average_precision_score

    hits, num_given, num_due = (given & due).sum(axis=0), given.sum(axis=0), due.sum(axis=0)
    average = [
        float(average_precision_score(due[:, label], probabilities[:, label])) if num_due[label] else 0.0
        for label in range(due.shape[1])
    ]
    return LabelFigures(
        num_due.astype(np.int64),
        hits / np.maximum(num_given, 1),
        hits / np.maximum(num_due, 1),
        2 * hits / np.maximum(num_given + num_due, 1),
        np.array(average),
    )


def summary_metrics(
    logits: NDArray[np.float32], due: Bools, *, temperature: float, threshold: float
) -> dict[str, float | int]:
    """The figures that every judgement begins with.

    `accuracy` is the share of the labels that are right, over rows and labels, with its 95 % interval; `exact_match`
    the share of the rows all of whose labels are. Mean average precision and AUROC are over the labels that some rows
    have and some have not, and do not depend on the threshold; 0 where there are none.
    """
    from sklearn.metrics import roc_auc_score

    probabilities = sigmoid(logits, temperature)
    given = probabilities > threshold
    right, figures = given == due, label_figures(probabilities, given, due)
    hits, num_either = int((given & due).sum()), int(given.sum()) + int(due.sum())
    occurs, varies = occurring(given, due), due.any(axis=0) & ~due.all(axis=0)
    low, high = wilson_interval(float(right.mean(axis=1).sum()), len(due))
    aurocs = [float(roc_auc_score(due[:, label], logits[:, label])) for label in np.flatnonzero(varies).tolist()]
    return {
        "num_rows": len(due),
        "micro_f1": 2 * hits / num_either if num_either else 1.0,
        "macro_f1": float(figures.f1[occurs].mean()) if occurs.any() else 1.0,
        "accuracy": float(right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "exact_match": float(right.all(axis=1).mean()),
        "mean_average_precision": float(figures.average_precision[varies].mean()) if varies.any() else 0.0,
        "auroc": float(np.mean(aurocs)) if aurocs else 0.0,
        "loss": log_loss(logits, due),
    }


def occurring(given: Bools, due: Bools) -> Bools:
    """`[labels]`: which labels some row has or is given."""
    return np.asarray(given.any(axis=0) | due.any(axis=0))
