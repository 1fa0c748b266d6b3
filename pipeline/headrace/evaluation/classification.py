"""Judging classes: what validate and test say of a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.evaluation.metrics import calibration, classification
from headrace.evaluation.result import NO_RESIDUALS, EvaluationResult, Table
from headrace.evaluation.slices import Slice, Slices, class_slices, measure

if TYPE_CHECKING:
    from headrace.evaluation.predictions import Predictions


def validate_classes(found: Predictions, target_accuracy: float) -> EvaluationResult:
    """Quality, calibration, and the threshold above which `target_accuracy` is reached.

    `loss` is at temperature 1, as in training; `ece` and `threshold` are at the fitted `temperature`.
    """
    temperature = calibration.fit_temperature(found.logits, found.arrays.targets)
    before = calibration.reliability(classification.softmax(found.logits).max(axis=1), found.correct)
    confidence = classification.softmax(found.logits, temperature).max(axis=1)
    bins = calibration.reliability(confidence, found.correct)
    threshold = calibration.confidence_threshold(confidence, found.correct, target_accuracy)
    metrics = {
        **classification.summary_metrics(found.logits, found.arrays.targets),
        "ece_before": calibration.expected_calibration_error(before),
        "ece": calibration.expected_calibration_error(bins),
        "temperature": temperature,
        "threshold": threshold.confidence,
        "coverage": threshold.coverage,
    }
    return EvaluationResult(metrics, {"calibration": Table(calibration.Bin._fields, bins), "residuals": NO_RESIDUALS})


def judge_classes(found: Predictions, classes: list[str], groups: Slices, *, temperature: float) -> EvaluationResult:
    """Quality overall, by class and by group; confidences are at the temperature that `validate` fitted."""
    targets, predicted = found.arrays.targets, found.predicted
    confidence = classification.softmax(found.logits, temperature).max(axis=1)
    bins = calibration.reliability(confidence, found.correct)
    slices = measure(found.correct, {**class_slices(targets, classes), **groups})
    figures = classification.class_figures(classification.confusion_matrix(targets, predicted, len(classes)))
    by_class = zip(classes, *(figure.tolist() for figure in figures), strict=True)
    pairs = zip(targets.tolist(), predicted.tolist(), strict=True)
    metrics = {
        **classification.summary_metrics(found.logits, targets),
        "ece": calibration.expected_calibration_error(bins),
        "worst_class_accuracy": min(part.accuracy for part in slices if part.slice.startswith("class=")),
        "worst_slice_accuracy": slices[0].accuracy,
    }
    return EvaluationResult(
        metrics,
        plots={
            # one row a test row: the template `confusion` of `dvc plots` counts them
            "confusion": Table(("actual", "predicted"), ((classes[a], classes[p]) for a, p in pairs)),
            "calibration": Table(calibration.Bin._fields, bins),
            "residuals": NO_RESIDUALS,
        },
        reports={
            "slices": Table(Slice._fields, slices),
            "per_class": Table(("class", *figures._fields), by_class),
        },
        predictions={"target": targets, "predicted": predicted, "confidence": confidence, "correct": found.correct},
    )
