"""Evaluation of a classifier on validation and test rows."""

from __future__ import annotations

import numpy as np

from headrace.contracts import Metrics
from headrace.evaluation.metrics import calibration, classification
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
    """Quality overall, by class and by group, at the `temperature` of `validate`; `seed` is that of the bootstrap."""
    targets, predicted, correct = predictions.arrays.targets, predictions.predicted, predictions.correct
    classes = predictions.spec.classes
    temperature = read_metric("temperature")
    probabilities = classification.softmax(predictions.logits, temperature)
    confidence, names = probabilities.max(axis=1), np.array(classes, object)
    bins = calibration.reliability_bins(confidence, correct)
    slices = measure_slices(correct, {**class_slices(targets, classes), **groups})
    pairs = zip(targets.tolist(), predicted.tolist(), strict=True)
    metrics = {
        **classification.summary_metrics(predictions.logits, targets),
        "ece": calibration.expected_calibration_error(bins),
        "worst_class_accuracy": min(part.accuracy for part in slices if part.slice.startswith("class=")),
        "worst_slice_accuracy": slices[0].accuracy,
    }
    metrics |= _measure_intervals(metrics, predictions, temperature, seed=seed)
    return EvaluationResult(
        metrics,
        plots={
            # one row per test row: the template `confusion` of `dvc plots` counts them
            "confusion": Table(("actual", "predicted"), ((classes[a], classes[p]) for a, p in pairs)),
            "calibration": Table(calibration.Bin._fields, bins),
            "residuals": NO_RESIDUALS,
        },
        reports={
            "slices": Table(Slice._fields, slices),
            "per_class": _per_class_table(predictions),
        },
        predictions={
            "target": names[targets],
            "predicted": names[predicted],
            "confidence": confidence,
            "correct": correct,
            "probabilities": probabilities,
        },
    )


def _per_class_table(predictions: Predictions) -> Table:
    classes, targets = predictions.spec.classes, predictions.arrays.targets
    confusion = classification.confusion_matrix(targets, predictions.predicted, len(classes))
    by_class = classification.per_class_metrics(confusion)
    rows = zip(classes, *(column.tolist() for column in by_class), strict=True)
    return Table(("class", *by_class._fields), rows)


def _measure_intervals(metrics: Metrics, predictions: Predictions, temperature: float, *, seed: int) -> Metrics:
    logits, targets = predictions.logits, predictions.arrays.targets
    probabilities, losses = classification.softmax(logits, temperature), classification.log_losses(logits, targets)
    return classification_intervals(metrics, probabilities, losses, targets, seed=seed)
