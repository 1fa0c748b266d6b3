"""Judging several values at once: what validate and test say of a regression of several targets.

What is over all targets is in standard deviations of the train rows' targets, so that each counts the same whatever
its unit; what is of one is in its unit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Metrics
from headrace.evaluation.metrics import regression
from headrace.evaluation.regression import MAX_PLOTTED
from headrace.evaluation.result import NO_CALIBRATION, NO_CONFUSION, NO_RESIDUALS, EvaluationResult, Table
from headrace.evaluation.slices import ErrorSlice, Slices, measure_errors, tercile_slices

if TYPE_CHECKING:
    from headrace.evaluation.predictions import Predictions

FORBIDDEN = re.compile(r"[^\w\-.]+")
"""In the name of a metric, as MLflow has it; blanks and slashes too, so that it is one word."""


class Scaled(NamedTuple):
    """Values and targets `[rows, targets]`, in their units and in standard deviations of the train rows' targets."""

    values: NDArray[np.float64]
    targets: NDArray[np.float64]
    scaled_values: NDArray[np.float64]
    scaled_errors: NDArray[np.float64]

    @classmethod
    def of(cls, found: Predictions, scale: Json) -> Scaled:
        """`scale`: `mean` and `std` by target."""
        values, targets = (np.asarray(array, np.float64) for array in (found.logits, found.arrays.targets))
        mean, std = np.array(scale["mean"]), np.array(scale["std"])
        return cls(values, targets, (values - mean) / std, (values - targets) / std)

    @property
    def row_errors(self) -> NDArray[np.float64]:
        """`[rows]`: the root of the mean square over the targets."""
        return np.asarray(np.sqrt(np.square(self.scaled_errors).mean(axis=1)))


def keys(targets: Sequence[str]) -> list[str]:
    """What the metrics of each target end in, each another: `price ($)` -> `price`."""
    made: list[str] = []
    for name in targets:
        key = FORBIDDEN.sub("_", name).strip("_")
        made.append(key if key and key not in made else f"{key}_{len(made) + 1}")
    return made


def validate_several(found: Predictions, targets: Sequence[str], scale: Json) -> EvaluationResult:
    """Quality over all and of each; `interval_90_<target>`: what to add to and take from its value for 90 %."""
    scaled = Scaled.of(found, scale)
    errors = scaled.values - scaled.targets
    intervals = {
        f"interval_90_{key}": regression.interval_half_width(errors[:, place])
        for place, key in enumerate(keys(targets))
    }
    metrics = {**_headline(scaled, targets, seed=0), **intervals}
    return EvaluationResult(metrics, {"residuals": _residuals(scaled), "calibration": NO_CALIBRATION})


def judge_several(
    found: Predictions, targets: Sequence[str], groups: Slices, *, scale: Json, intervals: Sequence[float], seed: int
) -> EvaluationResult:
    """Quality over all and of each, by thirds of each target and by group; `seed` draws the intervals.

    `coverage_90` is the share of values within `intervals` (by target) of their targets, over all.
    """
    scaled = Scaled.of(found, scale)
    thirds = {
        k: v for place, name in enumerate(targets) for k, v in tercile_slices(name, scaled.targets[:, place]).items()
    }
    slices = measure_errors(scaled.row_errors, {**thirds, **groups}, seed=seed)
    is_covered = np.abs(scaled.values - scaled.targets) <= np.array(intervals)
    metrics = {
        **_headline(scaled, targets, seed=seed),
        "coverage_90": float(is_covered.mean()),
        "worst_slice_rmse": slices[0].rmse,
    }
    columns = {f"{kind} {name}": array[:, place] for place, name in enumerate(targets)
               for kind, array in (("target", scaled.targets), ("predicted", scaled.values))}  # fmt: skip
    return EvaluationResult(
        metrics,
        plots={"residuals": _residuals(scaled), "confusion": NO_CONFUSION, "calibration": NO_CALIBRATION},
        reports={"slices": Table(ErrorSlice._fields, slices), "per_target": _by_target(metrics, targets)},
        predictions={**columns, "error": scaled.row_errors},
    )


def _headline(scaled: Scaled, targets: Sequence[str], *, seed: int) -> Metrics:

    errors = scaled.row_errors
    low, high = regression.bootstrap_rmse(errors, seed=seed)
    metrics: Metrics = {"num_rows": len(errors), "rmse": regression.root_mean_square(errors)}
    metrics |= {"rmse_low": low, "rmse_high": high, "mae": float(np.abs(scaled.scaled_errors).mean())}
    found = [regression.r_squared(*pair) for pair in zip(scaled.values.T, scaled.targets.T, strict=True)]
    metrics |= {"r2": float(np.mean(found)), "loss": float(np.square(errors).mean())}
    for place, key in enumerate(keys(targets)):
        own = scaled.values[:, place] - scaled.targets[:, place]
        figures = {"rmse": regression.root_mean_square(own), "mae": float(np.abs(own).mean()), "r2": found[place]}
        metrics |= {f"{figure}_{key}": value for figure, value in figures.items()}
    return metrics


def _by_target(metrics: Metrics, targets: Sequence[str]) -> Table:
    figures = ("rmse", "mae", "r2")
    pairs = zip(targets, keys(targets), strict=True)
    rows = [(name, *(metrics[f"{figure}_{key}"] for figure in figures)) for name, key in pairs]
    return Table(("target", *figures), rows)


def _residuals(scaled: Scaled) -> Table:
    """Value and error of MAX_PLOTTED pairs at most, evenly over the file."""
    step = max(1, -(-scaled.values.size // MAX_PLOTTED))
    values, errors = scaled.scaled_values.ravel()[::step], scaled.scaled_errors.ravel()[::step]
    return Table(NO_RESIDUALS.columns, zip(values.tolist(), errors.tolist(), strict=True))
