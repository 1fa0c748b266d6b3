"""Metrics of any subset of the validation rows, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.evaluation.metrics import calibration, classification, multilabel, regression
from headrace.evaluation.multi_target_regression import ScaledPredictions, metric_suffixes
from headrace.evaluation.predictions import Predictions

NUM_RESAMPLES = 1000
Rows: TypeAlias = NDArray[np.intp]
"""Positions of validation rows."""
Statistic: TypeAlias = Callable[[Rows], float]


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


class Measure(NamedTuple):
    """One metric of the task."""

    value: Statistic
    interval: Callable[[Rows], Interval]


def find_measures(predictions: Predictions, metrics: Metrics) -> dict[str, Measure]:
    """Metric -> its measure on any of the rows; `metrics` are those of `validate`, with the calibration.

    They have the same definition as in `metrics/validate.json`.
    """
    if predictions.spec.targets:
        return _measure_targets(predictions)
    measures = {"classification": _measure_classes, "multilabel": _measure_labels, "regression": _measure_values}
    return measures[predictions.spec.task](predictions, metrics)


def bootstrap_interval(statistic: Statistic, rows: Rows, *, seed: int = 0) -> Interval:
    """The percentile interval over NUM_RESAMPLES draws of the rows with replacement.

    Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 13.3.
    """
    rng = np.random.default_rng(seed)
    values = [statistic(rows[rng.integers(0, len(rows), len(rows))]) for _ in range(NUM_RESAMPLES)]
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))


def _resampled(statistic: Statistic) -> Measure:
    return Measure(statistic, lambda rows: bootstrap_interval(statistic, rows))


def _mean_of(values: NDArray[np.float64]) -> Measure:
    return _resampled(lambda rows: float(values[rows].mean()))


def _proportion_of(correct: NDArray[np.float64]) -> Measure:
    """A mean of values in [0, 1], with the interval that `validate` reports."""
    return Measure(
        lambda rows: float(correct[rows].mean()),
        lambda rows: Interval(*classification.wilson_interval(float(correct[rows].sum()), len(rows))),
    )


def _root_mean_square_of(errors: NDArray[np.float64]) -> Measure:
    return Measure(
        lambda rows: regression.root_mean_square(errors[rows]),
        lambda rows: Interval(*regression.bootstrap_rmse(errors[rows])),
    )


def _measure_classes(predictions: Predictions, metrics: Metrics) -> dict[str, Measure]:
    logits, targets, predicted = predictions.logits, predictions.arrays.targets[:], predictions.predicted
    correct, num_classes = predictions.correct, logits.shape[1]
    confidence = classification.softmax(logits, float(metrics["temperature"])).max(axis=1)

    def macro_f1(rows: Rows) -> float:
        return classification.macro_f1(classification.confusion_matrix(targets[rows], predicted[rows], num_classes))

    def calibration_error(rows: Rows) -> float:
        return calibration.expected_calibration_error(calibration.reliability_bins(confidence[rows], correct[rows]))

    return {
        "accuracy": _proportion_of(correct.astype(np.float64)),
        "macro_f1": _resampled(macro_f1),
        "loss": _mean_of(classification.negative_log_likelihood_by_row(logits, targets)),
        "ece": _resampled(calibration_error),
    }


def _measure_labels(predictions: Predictions, metrics: Metrics) -> dict[str, Measure]:
    logits, targets = predictions.logits, np.asarray(predictions.arrays.targets > 0)
    predicted = multilabel.sigmoid(logits, float(metrics["temperature"])) > float(metrics["threshold"])
    correct = predicted == targets

    def macro_f1(rows: Rows) -> float:
        answers, truth = predicted[rows], targets[rows]
        num_either = answers.sum(axis=0) + truth.sum(axis=0)
        f1 = 2 * (answers & truth).sum(axis=0)[num_either > 0] / num_either[num_either > 0]
        return float(f1.mean()) if len(f1) else 1.0

    return {
        "micro_f1": _resampled(lambda rows: multilabel.micro_f1(predicted[rows], targets[rows])),
        "macro_f1": _resampled(macro_f1),
        "accuracy": _proportion_of(correct.mean(axis=1)),
        "exact_match": _mean_of(correct.all(axis=1).astype(np.float64)),
        "loss": _resampled(lambda rows: multilabel.log_loss(logits[rows], targets[rows])),
    }


def _measure_values(predictions: Predictions, metrics: Metrics) -> dict[str, Measure]:
    del metrics
    return _measure_errors(predictions.values, np.asarray(predictions.arrays.targets, np.float64))


def _measure_errors(values: NDArray[np.float64], targets: NDArray[np.float64]) -> dict[str, Measure]:
    errors = values - targets
    return {
        "rmse": _root_mean_square_of(errors),
        "mae": _mean_of(np.abs(errors)),
        "r2": _resampled(lambda rows: regression.r_squared(values[rows], targets[rows])),
        "loss": _mean_of(np.square(errors)),
    }


def _measure_targets(predictions: Predictions) -> dict[str, Measure]:
    scaled, targets = ScaledPredictions.scale(predictions), predictions.spec.targets
    by_target = [_measure_errors(scaled.values[:, index], scaled.targets[:, index]) for index in range(len(targets))]
    return {
        "rmse": _root_mean_square_of(scaled.row_errors),
        "mae": _mean_of(np.abs(scaled.scaled_errors).mean(axis=1)),
        "r2": _resampled(lambda rows: float(np.mean([each["r2"].value(rows) for each in by_target]))),
        "loss": _mean_of(np.square(scaled.row_errors)),
        **{
            f"{name}_{suffix}": measure
            for suffix, measures in zip(metric_suffixes(targets), by_target, strict=True)
            for name, measure in measures.items()
            if name != "loss"
        },
    }
