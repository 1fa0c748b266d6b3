"""EVALUATORS: how the predictions of each task are evaluated in the stages `validate`, `quantize` and `test`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Spec
from headrace.evaluation import classification, multi_target_regression, multilabel, regression
from headrace.evaluation.metrics.classification import accuracy, agreement
from headrace.evaluation.metrics.multilabel import label_accuracy, micro_f1
from headrace.evaluation.metrics.regression import mean_r_squared
from headrace.evaluation.predictions import Predictions
from headrace.evaluation.result import EvaluationResult, ReadMetric
from headrace.evaluation.slices import Slices

Score: TypeAlias = "Callable[[NDArray[np.float32], NDArray[Any]], float]"
"""Outputs `[rows, outputs]`, and targets or the outputs of another model -> a score, 1 at best."""


class Evaluator(NamedTuple):
    """The evaluation of one task."""

    validate: Callable[[Predictions, float], EvaluationResult]
    """Predictions on validation rows, `validate.target_accuracy` -> metrics, calibration and thresholds."""
    evaluate: Callable[[Predictions, Slices, ReadMetric, int], EvaluationResult]
    """Predictions on test rows, slices, metrics of `validate`, seed of confidence intervals -> metrics and reports."""
    quality: str
    """Name of the metric that `score` returns."""
    score: Score
    """Quality of a model's outputs, given the targets; quantization may lose some of it."""
    agreement: Score
    """How closely the outputs match those of another model."""


EVALUATORS: dict[str, Evaluator] = {
    "classification": Evaluator(
        classification.validate_classification, classification.evaluate_classification, "accuracy", accuracy, agreement
    ),
    "multilabel": Evaluator(
        multilabel.validate_multilabel,
        multilabel.evaluate_multilabel,
        "micro_f1",
        lambda outputs, targets: micro_f1(outputs > 0, targets > 0),
        lambda outputs, reference: label_accuracy(outputs > 0, reference > 0),
    ),
    "regression": Evaluator(
        regression.validate_regression, regression.evaluate_regression, "r2", mean_r_squared, mean_r_squared
    ),
    "multi_target_regression": Evaluator(
        multi_target_regression.validate_multi_target_regression,
        multi_target_regression.evaluate_multi_target_regression,
        "r2",
        mean_r_squared,
        mean_r_squared,
    ),
}
"""Task, or `multi_target_regression` -> its evaluation."""


def find_evaluator(spec: Spec) -> Evaluator:
    """The evaluator for the task and the number of targets."""
    return EVALUATORS["multi_target_regression" if spec.targets else spec.task]
