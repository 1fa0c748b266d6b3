"""Judging values: what validate and test say of a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.metrics import regression
from headrace.evaluation.result import NO_CALIBRATION, NO_CONFUSION, NO_RESIDUALS, EvaluationResult, Table
from headrace.evaluation.slices import ErrorSlice, Slices, measure_errors, tercile_slices

if TYPE_CHECKING:
    from headrace.evaluation.predictions import Predictions

MAX_PLOTTED = 2000


def validate_values(found: Predictions) -> EvaluationResult:
    """Quality, and `interval_90`: what to add to and take from a value so that 90 % of targets lie between."""
    metrics = {
        **regression.summary_metrics(found.values, _targets(found)),
        "interval_90": regression.interval_half_width(found.errors),
    }
    return EvaluationResult(metrics, {"residuals": _residuals(found), "calibration": NO_CALIBRATION})


def judge_values(found: Predictions, groups: Slices, *, interval: float, seed: int) -> EvaluationResult:
    """Quality overall, by thirds of the target and by group; `seed` draws the intervals.

    `coverage_90` is the share of targets within `interval` of the value, which validate made for 90 %.
    """
    targets = _targets(found)
    slices = measure_errors(found.errors, {**tercile_slices("target", targets), **groups}, seed=seed)
    metrics = {
        **regression.summary_metrics(found.values, targets, seed=seed),
        "coverage_90": float(np.mean(np.abs(found.errors) <= interval)),
        "worst_slice_rmse": slices[0].rmse,
    }
    return EvaluationResult(
        metrics,
        plots={"residuals": _residuals(found), "confusion": NO_CONFUSION, "calibration": NO_CALIBRATION},
        reports={"slices": Table(ErrorSlice._fields, slices)},
        predictions={"target": targets, "predicted": found.values, "error": found.errors},
    )


def _targets(found: Predictions) -> NDArray[np.float64]:

    return np.asarray(found.arrays.targets, dtype=np.float64)


def _residuals(found: Predictions) -> Table:
    """Value and error of MAX_PLOTTED rows at most, evenly over the file: a browser draws no more of them well."""
    step = max(1, -(-len(found.values) // MAX_PLOTTED))
    pairs = zip(found.values[::step].tolist(), found.errors[::step].tolist(), strict=True)
    return Table(NO_RESIDUALS.columns, pairs)
