"""95 % intervals of the metrics of classifiers: AUROC and average precision by influence, all others by bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.metrics.bootstrap import (
    calibration_error_interval,
    name_ends,
    percentile_interval,
    resample_sums,
)
from headrace.evaluation.metrics.calibration import NUM_BINS, find_bins
from headrace.evaluation.metrics.classification import wilson_interval
from headrace.evaluation.metrics.ranking import area_under_roc, average_precision, mean_with_interval

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Metrics = dict[str, float | int]


def classification_intervals(
    metrics: Metrics, probabilities: Floats, row_losses: Floats, targets: NDArray[np.int64], *, seed: int
) -> Metrics:
    """AUROC (mean over the classes, each against the others), and the intervals of it, of `macro_f1`, `loss`, `ece`.

    `metrics` has the last three; `ece` is that of the calibrated `probabilities`, `[rows, classes]`.
    """
    from scipy.sparse import csr_array, hstack

    num_rows, num_classes = probabilities.shape
    predicted, confidence, rows = probabilities.argmax(axis=1), probabilities.max(axis=1), np.arange(num_rows)
    correct = predicted == targets

    def indicators(classes: NDArray[np.int64], values: NDArray[Any]) -> Any:
        return csr_array((values, (rows, classes)), shape=(num_rows, num_classes))

    ones = np.ones(num_rows)
    by_row = csr_array((confidence - correct, (rows, find_bins(confidence))), shape=(num_rows, NUM_BINS))
    observed = by_row.sum(axis=0)
    columns = [
        csr_array(row_losses[:, None]),
        by_row,
        indicators(targets, correct.astype(np.float64)),
        indicators(targets, ones) + indicators(predicted, ones),
    ]
    sums = resample_sums(hstack(columns, format="csr"), seed=seed)
    losses, gaps, hits, occurrences = np.split(sums, np.cumsum([1, NUM_BINS, num_classes]), axis=1)
    intervals = {
        "macro_f1": _or_exact(float(metrics["macro_f1"]), macro_f1_of_sums(hits, occurrences), num_rows),
        "loss": percentile_interval(float(metrics["loss"]), losses[:, 0] / num_rows),
        "ece": calibration_error_interval(observed / num_rows, gaps / num_rows),
    }
    one_hot = np.asarray(targets[:, None] == np.arange(num_classes))
    auroc, *ends = mean_with_interval(area_under_roc, probabilities, one_hot)
    return {**_name_all(intervals), "auroc": auroc, **name_ends("auroc", (ends[0], ends[1]))}


def multilabel_intervals(
    metrics: Metrics, probabilities: Floats, predicted: Bools, targets: Bools, row_losses: Floats, *, seed: int
) -> Metrics:
    """The mean average precision and AUROC over the labels, and the intervals of them and of the other `metrics`.

    `ece` is among those; accuracy has its interval already. Probabilities are calibrated, `[rows, labels]`.
    """
    num_rows, num_labels = targets.shape
    bins = find_bins(probabilities) + NUM_BINS * np.arange(num_rows)[:, None]
    by_row = np.bincount(bins.ravel(), weights=(probabilities - targets).ravel(), minlength=NUM_BINS * num_rows)
    by_row = by_row.reshape(num_rows, NUM_BINS)
    columns = (row_losses[:, None], by_row, predicted & targets, predicted.astype(np.float64) + targets)
    sums = resample_sums(np.hstack(columns), seed=seed)
    losses, gaps, hits, occurrences = np.split(sums, np.cumsum([1, NUM_BINS, num_labels]), axis=1)
    all_hits, all_occurrences = (part.sum(axis=1, keepdims=True) for part in (hits, occurrences))
    intervals = {
        "micro_f1": _or_exact(float(metrics["micro_f1"]), macro_f1_of_sums(all_hits, all_occurrences), num_rows),
        "macro_f1": _or_exact(float(metrics["macro_f1"]), macro_f1_of_sums(hits, occurrences), num_rows),
        "exact_match": wilson_interval(float((predicted == targets).all(axis=1).sum()), num_rows),
        "loss": percentile_interval(float(metrics["loss"]), losses[:, 0] / num_rows),
        "ece": calibration_error_interval(by_row.sum(axis=0) / targets.size, gaps / targets.size),
    }
    ranked: Metrics = {}
    for name, rank in (("mean_average_precision", average_precision), ("auroc", area_under_roc)):
        value, low, high = mean_with_interval(rank, probabilities, targets)
        ranked |= {name: value, **name_ends(name, (low, high))}
    return {**_name_all(intervals), **ranked}


def macro_f1_of_sums(hits: Floats, occurrences: Floats) -> Floats:
    """`[resamples]`: mean F1 over the classes that occur; 1 if none does.

    `[resamples, classes]`: rows that have a class and are predicted to; rows that have it plus rows predicted to.
    """
    occurs = occurrences > 0
    f1 = np.where(occurs, 2 * hits / np.where(occurs, occurrences, 1), 0)
    num_classes = occurs.sum(axis=1)
    return np.asarray(np.where(num_classes > 0, f1.sum(axis=1) / np.maximum(num_classes, 1), 1))


def _or_exact(estimate: float, resampled: Floats, num_rows: int) -> tuple[float, float]:
    """The percentile interval; where no resample differs, as without any mistake, that of as many right rows."""
    if np.ptp(resampled) == 0:
        return wilson_interval(estimate * num_rows, num_rows)
    return percentile_interval(estimate, resampled)


def _name_all(intervals: dict[str, tuple[float, float]]) -> Metrics:
    named: Metrics = {}
    for name, interval in intervals.items():
        named |= name_ends(name, interval)
    return named
