"""Evaluation of a regression of several targets on validation and test rows.

Metrics over all targets are in standard deviations of the train rows' targets, so that each target counts the same
whatever its unit. Metrics of a single target are in its unit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics
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

FORBIDDEN_IN_METRIC_NAME = re.compile(r"[^\w\-.]+")
"""MLflow forbids most of these; blanks and slashes go too."""
END_OF_INTERVAL = re.compile(r"(^|_)(low|high)$")
"""`rmse_low` is an end of the interval of `rmse`."""
PER_TARGET_METRICS = ("rmse", "mae", "r2")


class ScaledPredictions(NamedTuple):
    """Values and targets `[rows, targets]`, in their units and in standard deviations of the train rows' targets."""

    values: NDArray[np.float64]
    targets: NDArray[np.float64]
    scaled_values: NDArray[np.float64]
    scaled_errors: NDArray[np.float64]

    @classmethod
    def scale(cls, predictions: Predictions) -> ScaledPredictions:
        """Standardizes by the `mean` and `std` of each target in `transform.json`."""
        values = np.asarray(predictions.logits, np.float64)
        targets = np.asarray(predictions.arrays.targets, np.float64)
        mean, std = (np.array(predictions.transform["target"][name]) for name in ("mean", "std"))
        return cls(values, targets, (values - mean) / std, (values - targets) / std)

    @property
    def row_errors(self) -> NDArray[np.float64]:
        """`[rows]`: root mean square over the targets."""
        return np.asarray(np.sqrt(np.square(self.scaled_errors).mean(axis=1)))


def validate_multi_target_regression(predictions: Predictions, target_accuracy: float) -> EvaluationResult:
    """Quality over all targets and of each.

    `interval_90_<target>` is the half-width of an interval around a prediction that holds 90 % of targets.
    """
    del target_accuracy
    scaled, targets = ScaledPredictions.scale(predictions), predictions.spec.targets
    errors = scaled.values - scaled.targets
    intervals = {
        f"interval_90_{suffix}": regression.interval_half_width(errors[:, index])
        for index, suffix in enumerate(metric_suffixes(targets))
    }
    metrics = {**_summary_metrics(scaled, targets, seed=0), **intervals}
    return EvaluationResult(metrics, {"residuals": _residuals(scaled), "calibration": NO_CALIBRATION})


def evaluate_multi_target_regression(
    predictions: Predictions, groups: Slices, read_metric: ReadMetric, seed: int
) -> EvaluationResult:
    """Quality over all targets and of each, by thirds of each target and by group; `seed` is that of the bootstrap.

    `coverage_90` is the fraction of values, over all targets, inside the intervals that `validate` fitted.
    """
    scaled, targets = ScaledPredictions.scale(predictions), predictions.spec.targets
    thirds: Slices = {
        name: rows
        for index, target in enumerate(targets)
        for name, rows in tercile_slices(target, scaled.targets[:, index]).items()
    }
    slices = measure_error_slices(scaled.row_errors, {**thirds, **groups}, seed=seed)
    intervals = np.array([read_metric(f"interval_90_{suffix}") for suffix in metric_suffixes(targets)])
    coverage = (np.abs(scaled.values - scaled.targets) <= intervals).mean(axis=1)
    metrics = {
        **_summary_metrics(scaled, targets, seed=seed),
        "coverage_90": float(coverage.mean()),
        **name_ends("coverage_90", wilson_interval(float(coverage.sum()), len(coverage))),
        "worst_slice_rmse": slices[0].rmse,
    }
    columns = {
        f"{kind} {name}": array[:, index]
        for index, name in enumerate(targets)
        for kind, array in (("target", scaled.targets), ("predicted", scaled.values))
    }
    return EvaluationResult(
        metrics,
        plots={"residuals": _residuals(scaled), "confusion": NO_CONFUSION, "calibration": NO_CALIBRATION},
        reports={"slices": Table(ErrorSlice._fields, slices), "per_target": _per_target_table(metrics, targets)},
        predictions={**columns, "error": scaled.row_errors},
    )


def metric_suffixes(targets: Sequence[str]) -> list[str]:
    """A distinct suffix for the metrics of each target: `price ($)` -> `price`, and `low` -> `low_target`."""
    suffixes: list[str] = []
    for name in targets:
        base = FORBIDDEN_IN_METRIC_NAME.sub("_", name).strip("_")
        if END_OF_INTERVAL.search(base):
            base += "_target"
        suffix, number = base, len(suffixes) + 1
        while not suffix or suffix in suffixes:
            suffix, number = f"{base}_{number}", number + 1
        suffixes.append(suffix)
    return suffixes


def _summary_metrics(scaled: ScaledPredictions, targets: Sequence[str], *, seed: int) -> Metrics:
    """Metrics over all targets and of each, with their 95 % intervals; `seed` is that of the bootstrap."""
    errors, values = scaled.scaled_errors, scaled.scaled_values
    scaled_targets, loss = values - errors, float(np.square(errors).mean())
    r_squared = [regression.r_squared(*pair) for pair in zip(values.T, scaled_targets.T, strict=True)]
    overall = {"mae": float(np.abs(errors).mean()), "r2": float(np.mean(r_squared)), "loss": loss}
    centered, rmse = scaled_targets - scaled_targets.mean(axis=0), loss**0.5
    ends = regression.bootstrap_intervals({"rmse": rmse, **overall}, errors, centered, seed=seed)
    rmse_ends = {name: ends.pop(name) for name in ("rmse_low", "rmse_high")}
    metrics: Metrics = {"num_rows": len(errors), "rmse": rmse, **rmse_ends, **overall, **ends}
    for index, suffix in enumerate(metric_suffixes(targets)):
        own = regression.summary_metrics(scaled.values[:, index], scaled.targets[:, index], seed=seed)
        for name in PER_TARGET_METRICS:
            metrics |= {f"{name}_{suffix}{end}": own[name + end] for end in ("", "_low", "_high")}
    return metrics


def _per_target_table(metrics: Metrics, targets: Sequence[str]) -> Table:
    pairs = zip(targets, metric_suffixes(targets), strict=True)
    rows = [(target, *(metrics[f"{name}_{suffix}"] for name in PER_TARGET_METRICS)) for target, suffix in pairs]
    return Table(("target", *PER_TARGET_METRICS), rows)


def _residuals(scaled: ScaledPredictions) -> Table:
    return residuals_table(scaled.scaled_values.ravel(), scaled.scaled_errors.ravel())
