"""EVALUATORS: how the predictions of each task are evaluated in the stages `validate`, `quantize` and `test`."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Metrics, Spec
from headrace.evaluation import classification, multi_target_regression, multilabel, regression
from headrace.evaluation.metrics.classification import agreement, is_correct
from headrace.evaluation.metrics.multilabel import label_accuracy, micro_f1_by_row
from headrace.evaluation.metrics.regression import mean_r_squared, r_squared_by_row
from headrace.evaluation.predictions import Predictions
from headrace.evaluation.result import EvaluationResult, ReadMetric
from headrace.evaluation.slices import Slices

Floats: TypeAlias = NDArray[np.float32]
Score: TypeAlias = "Callable[[Floats, NDArray[Any], float], float]"
"""Outputs `[rows, outputs]`, targets or the outputs of another model, and the cutoff -> a score, 1 at best."""


class Evaluator(NamedTuple):
    """The evaluation of one task.

    A cutoff is the output above which a label is predicted; tasks other than multilabel have no use for it.
    """

    validate: Callable[[Predictions, float], EvaluationResult]
    """Predictions on validation rows, `validate.target_accuracy` -> metrics, calibration and thresholds."""
    evaluate: Callable[[Predictions, Slices, ReadMetric, int], EvaluationResult]
    """Predictions on test rows, slices, the model's calibration, seed of confidence intervals -> metrics, reports."""
    quality: str
    """Name of the metric that is the mean of `quality_by_row`."""
    quality_by_row: Callable[[Floats, NDArray[Any], float], NDArray[np.float64]]
    """Outputs, targets, cutoff -> `[rows]`: the quality of each row's answer; quantization may lose some of it."""
    agreement: Score
    """How closely the outputs match those of another model."""


EVALUATORS: dict[str, Evaluator] = {
    "classification": Evaluator(
        classification.validate_classification,
        classification.evaluate_classification,
        "accuracy",
        lambda outputs, targets, _: is_correct(outputs, targets).astype(np.float64),
        lambda outputs, reference, _: agreement(outputs, reference),
    ),
    "multilabel": Evaluator(
        multilabel.validate_multilabel,
        multilabel.evaluate_multilabel,
        "micro_f1",
        lambda outputs, targets, cutoff: micro_f1_by_row(outputs > cutoff, targets > 0),
        lambda outputs, reference, cutoff: label_accuracy(outputs > cutoff, reference > cutoff),
    ),
    "regression": Evaluator(
        regression.validate_regression,
        regression.evaluate_regression,
        "r2",
        lambda outputs, targets, _: r_squared_by_row(outputs, targets),
        lambda outputs, reference, _: mean_r_squared(outputs, reference),
    ),
    "multi_target_regression": Evaluator(
        multi_target_regression.validate_multi_target_regression,
        multi_target_regression.evaluate_multi_target_regression,
        "r2",
        lambda outputs, targets, _: r_squared_by_row(outputs, targets),
        lambda outputs, reference, _: mean_r_squared(outputs, reference),
    ),
}
"""Task, or `multi_target_regression` -> its evaluation."""


def find_evaluator(spec: Spec) -> Evaluator:
    """The evaluator for the task and the number of targets."""
    return EVALUATORS["multi_target_regression" if spec.targets else spec.task]


def make_outcomes(predictions: Predictions, cutoff: float) -> pa.Table:
    """Returns `row_id` and the outcome of each row, one of `comparison.COMPARISONS`, as `test` records it."""
    logits, targets = predictions.logits, np.asarray(predictions.arrays.targets)
    outcome: tuple[str, NDArray[Any]]
    if predictions.spec.targets:
        outcome = "error", multi_target_regression.ScaledPredictions.scale(predictions).row_errors
    elif predictions.spec.task == "regression":
        outcome = "error", predictions.errors
    elif predictions.spec.task == "multilabel":
        outcome = "wrong_share", ((logits > cutoff) != (targets > 0)).mean(axis=1)
    else:
        outcome = "correct", predictions.correct
    return pa.table({"row_id": pa.array(predictions.arrays.row_ids.astype(str)), outcome[0]: pa.array(outcome[1])})


def find_cutoff(calibration: Metrics) -> float:
    """Returns the output above which a label is predicted, given the metrics of `validate`; 0 for other tasks."""
    threshold = float(calibration.get("threshold", 0.5)) if "micro_f1" in calibration else 0.5
    if threshold in {0.0, 1.0}:
        return -inf if threshold == 0 else inf
    return float(calibration.get("temperature", 1.0)) * log(threshold / (1 - threshold))
