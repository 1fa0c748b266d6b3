"""Evaluation of a multilabel model on validation and test rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.evaluation.metrics import calibration, multilabel
from headrace.evaluation.metrics.intervals import multilabel_intervals
from headrace.evaluation.predictions import Predictions
from headrace.evaluation.result import NO_CONFUSION, NO_RESIDUALS, EvaluationResult, ReadMetric, Table
from headrace.evaluation.slices import Slice, SliceKey, Slices, measure_slices
from headrace.storage.label_codec import encode_names


def validate_multilabel(predictions: Predictions, target_accuracy: float) -> EvaluationResult:
    """Quality, calibration, and the probability threshold above which a label is predicted."""
    del target_accuracy
    logits, targets = predictions.logits, _targets(predictions)
    temperature = multilabel.fit_temperature(logits, targets)
    before = calibration.reliability_bins(multilabel.sigmoid(logits).ravel(), targets.ravel())
    probabilities = multilabel.sigmoid(logits, temperature)
    bins = calibration.reliability_bins(probabilities.ravel(), targets.ravel())
    threshold = multilabel.best_threshold(probabilities, targets)
    metrics = {
        **multilabel.summary_metrics(logits, targets, temperature=temperature, threshold=threshold),
        "ece_before": calibration.expected_calibration_error(before),
        "ece": calibration.expected_calibration_error(bins),
        "temperature": temperature,
        "threshold": threshold,
    }
    metrics |= _measure_intervals(metrics, predictions, probabilities, threshold, seed=0)
    return EvaluationResult(metrics, {"calibration": Table(calibration.Bin._fields, bins), "residuals": NO_RESIDUALS})


def evaluate_multilabel(
    predictions: Predictions, groups: Slices, read_metric: ReadMetric, seed: int
) -> EvaluationResult:
    """Quality overall, by label and by group, at the `temperature` and the `threshold` chosen by `validate`.

    `seed` is that of the bootstrap.
    """
    temperature, threshold = read_metric("temperature"), read_metric("threshold")
    classes, targets = predictions.spec.classes, _targets(predictions)
    probabilities = multilabel.sigmoid(predictions.logits, temperature)
    predicted = probabilities > threshold
    accuracies = (predicted == targets).mean(axis=1)
    bins = calibration.reliability_bins(probabilities.ravel(), targets.ravel())
    by_label = multilabel.per_label_metrics(probabilities, predicted, targets)
    label_slices = {SliceKey("label", name): targets[:, index] for index, name in enumerate(classes)}
    slices = measure_slices(accuracies, {**label_slices, **groups})
    occurs = multilabel.occurring_labels(predicted, targets)
    metrics = {
        **multilabel.summary_metrics(predictions.logits, targets, temperature=temperature, threshold=threshold),
        "ece": calibration.expected_calibration_error(bins),
        "worst_label_f1": float(by_label.f1[occurs].min()) if occurs.any() else 1.0,
        "worst_slice_accuracy": slices[0].accuracy if slices else float(accuracies.mean()),
    }
    metrics |= _measure_intervals(metrics, predictions, probabilities, threshold, seed=seed)
    rows_by_label = zip(classes, *(column.tolist() for column in by_label), strict=True)
    names = {"target": _names(targets, classes), "predicted": _names(predicted, classes)}
    return EvaluationResult(
        metrics,
        plots={
            "confusion": NO_CONFUSION,
            "calibration": Table(calibration.Bin._fields, bins),
            "residuals": NO_RESIDUALS,
        },
        reports={
            "slices": Table(Slice._fields, slices),
            "per_class": Table(("class", *by_label._fields), rows_by_label),
        },
        predictions={**names, "wrong_share": 1 - accuracies, "probabilities": probabilities},
    )


def _measure_intervals(
    metrics: Metrics, predictions: Predictions, probabilities: NDArray[np.float64], threshold: float, *, seed: int
) -> Metrics:
    """The metrics of ranking, which depend on no threshold, and the intervals of all."""
    targets, predicted = _targets(predictions), probabilities > threshold
    losses = multilabel.log_losses(predictions.logits, targets)
    return multilabel_intervals(metrics, probabilities, predicted, targets, losses, seed=seed)


def _targets(predictions: Predictions) -> NDArray[np.bool_]:
    return np.asarray(predictions.arrays.targets > 0)


def _names(flags: NDArray[np.bool_], classes: list[str]) -> NDArray[np.object_]:
    """`[rows]`: JSON lists of the names whose flags are set."""
    return np.array([encode_names(np.array(classes, object)[row]) for row in flags], object)
