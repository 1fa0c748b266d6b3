"""Evaluation of a regression of one target on validation and test rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.metrics import regression
from headrace.evaluation.metrics.bootstrap import name_ends
from headrace.evaluation.metrics.classification import wilson_interval
from headrace.evaluation.predictions import Predictions
from headrace.evaluation.result import (
    NO_CALIBRATION,
    NO_CONFUSION,
    EvaluationResult,
    ReadMetric,
    Table,
    residuals_table,
)
from headrace.evaluation.slices import ErrorSlice, Slices, measure_error_slices, tercile_slices


def validate_regression(predictions: Predictions, target_accuracy: float) -> EvaluationResult:
    """Quality, and `interval_90`: the half-width of an interval around a prediction that holds 90 % of targets."""
    del target_accuracy
    metrics = {
        **regression.summary_metrics(predictions.values, _targets(predictions)),
        "interval_90": regression.interval_half_width(predictions.errors),
    }
    residuals = residuals_table(predictions.values, predictions.errors)
    return EvaluationResult(metrics, {"residuals": residuals, "calibration": NO_CALIBRATION})


def evaluate_regression(
    predictions: Predictions, groups: Slices, read_metric: ReadMetric, seed: int
) -> EvaluationResult:
    """Quality overall, by thirds of the target and by group; `seed` is that of the bootstrap.

    `coverage_90` is the fraction of targets inside the interval that `validate` fitted to hold 90 %.
    """
    targets, values, errors = _targets(predictions), predictions.values, predictions.errors
    slices = measure_error_slices(errors, {**tercile_slices("target", targets), **groups}, seed=seed)
    is_covered = np.abs(errors) <= read_metric("interval_90")
    metrics = {
        **regression.summary_metrics(values, targets, seed=seed),
        "coverage_90": float(is_covered.mean()),
        **name_ends("coverage_90", wilson_interval(float(is_covered.sum()), len(errors))),
        "worst_slice_rmse": slices[0].rmse,
    }
    return EvaluationResult(
        metrics,
        plots={
            "residuals": residuals_table(values, errors),
            "confusion": NO_CONFUSION,
            "calibration": NO_CALIBRATION,
        },
        reports={"slices": Table(ErrorSlice._fields, slices)},
        predictions={"target": targets, "predicted": values, "error": errors},
    )


def _targets(predictions: Predictions) -> NDArray[np.float64]:
    return np.asarray(predictions.arrays.targets, dtype=np.float64)
