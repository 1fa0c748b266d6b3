"""Evaluation of a classifier on validation and test rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.evaluation.metrics import calibration, classification
from headrace.evaluation.metrics.classification import wilson_interval
from headrace.evaluation.metrics.intervals import classification_intervals
from headrace.evaluation.predictions import Predictions
from headrace.evaluation.result import NO_RESIDUALS, EvaluationResult, ReadMetric, Table
from headrace.evaluation.slices import Slice, Slices, class_slices, measure_slices


def validate_classification(predictions: Predictions, target_accuracy: float) -> EvaluationResult:
    """Quality, calibration, and the confidence threshold above which `target_accuracy` is reached.

    `loss` is at temperature 1, as in training; `ece` and `threshold` are at the fitted `temperature`.
    """
    logits, correct = predictions.logits, predictions.correct
    temperature = calibration.fit_temperature(logits, predictions.arrays.targets)
    before = calibration.reliability_bins(classification.softmax(logits).max(axis=1), correct)
    confidence = classification.softmax(logits, temperature).max(axis=1)
    bins = calibration.reliability_bins(confidence, correct)
    threshold = calibration.confidence_threshold(confidence, correct, target_accuracy)
    metrics = {
        **classification.summary_metrics(logits, predictions.arrays.targets),
        "ece_before": calibration.expected_calibration_error(before),
        "ece": calibration.expected_calibration_error(bins),
        "temperature": temperature,
        "threshold": threshold.confidence,
        "coverage": threshold.coverage,
        "target_accuracy": target_accuracy,
    }
    metrics |= _measure_intervals(metrics, predictions, temperature, seed=0)
    return EvaluationResult(metrics, {"calibration": Table(calibration.Bin._fields, bins), "residuals": NO_RESIDUALS})


def evaluate_classification(
    predictions: Predictions, groups: Slices, read_metric: ReadMetric, seed: int
) -> EvaluationResult:
    """Quality overall, by class and by group; confidences are at the `temperature` fitted by `validate`.

    A row whose confidence does not exceed the `threshold` is `abstained`: its answer can be withheld when served.
    `seed` is that of the bootstrap.
    """
    targets, predicted, correct = predictions.arrays.targets, predictions.predicted, predictions.correct
    classes, temperature = predictions.spec.classes, read_metric("temperature")
    probabilities = classification.softmax(predictions.logits, temperature)
    confidence = probabilities.max(axis=1)
    is_answered = confidence > read_metric("threshold")
    bins = calibration.reliability_bins(confidence, correct)
    slices = measure_slices(correct, {**class_slices(targets, classes), **groups})
    by_class = classification.per_class_metrics(classification.confusion_matrix(targets, predicted, len(classes)))
    rows_by_class = zip(classes, *(column.tolist() for column in by_class), strict=True)
    metrics = {
        **classification.summary_metrics(predictions.logits, targets),
        "ece": calibration.expected_calibration_error(bins),
        "worst_class_accuracy": float(by_class.recall[by_class.rows > 0].min()),
        "worst_slice_accuracy": slices[0].accuracy,
        **_measure_abstention(correct, is_answered),
    }
    metrics |= _measure_intervals(metrics, predictions, temperature, seed=seed)
    return EvaluationResult(
        metrics,
        plots={
            "confusion": Table(("actual", "predicted"), _name_pairs(targets, predicted, classes)),
            "calibration": Table(calibration.Bin._fields, bins),
            "residuals": NO_RESIDUALS,
        },
        reports={
            "slices": Table(Slice._fields, slices),
            "per_class": Table(("class", *by_class._fields), rows_by_class),
        },
        predictions=_name_answers(predictions)
        | {"confidence": confidence, "correct": correct, "abstained": ~is_answered, "probabilities": probabilities},
    )


def _name_answers(predictions: Predictions) -> dict[str, NDArray[Any]]:
    names = np.array(predictions.spec.classes, object)
    return {"target": names[predictions.arrays.targets], "predicted": names[predictions.predicted]}


def _name_pairs(
    targets: NDArray[np.int64], predicted: NDArray[np.int64], classes: list[str]
) -> Iterator[tuple[str, str]]:
    """One pair of names per test row: the template `confusion` of `dvc plots` counts them."""
    return ((classes[a], classes[p]) for a, p in zip(targets.tolist(), predicted.tolist(), strict=True))


def _measure_abstention(correct: NDArray[np.bool_], is_answered: NDArray[np.bool_]) -> Metrics:
    """Fraction of rows without an answer, and the accuracy of the other ones, if there are any."""
    metrics: Metrics = {"abstained": float(1 - is_answered.mean())}
    if is_answered.any():
        num_correct, num_answered = int(correct[is_answered].sum()), int(is_answered.sum())
        low, high = wilson_interval(num_correct, num_answered)
        metrics |= {"answered_accuracy": num_correct / num_answered}
        metrics |= {"answered_accuracy_low": low, "answered_accuracy_high": high}
    return metrics


def _measure_intervals(metrics: Metrics, predictions: Predictions, temperature: float, *, seed: int) -> Metrics:
    logits, targets = predictions.logits, predictions.arrays.targets
    probabilities = classification.softmax(logits, temperature)
    losses = classification.negative_log_likelihood_by_row(logits, targets)
    return classification_intervals(metrics, probabilities, losses, targets, seed=seed)
