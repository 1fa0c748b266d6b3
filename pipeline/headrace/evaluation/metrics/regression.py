"""Regression metrics in the target's unit: error with its interval, R2, and the half-width of a prediction interval."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.metrics.bootstrap import name_ends, percentile_interval, resample_sums

SMALLEST_FRACTION = 1e-12
INTERVAL_COVERAGE = 0.9
MAX_RESAMPLED = 2000
"""Rows of a slice; a table has some hundred slices."""
Z_95 = 1.96


def summary_metrics(
    predicted: NDArray[np.float64], targets: NDArray[np.float64], *, seed: int = 0
) -> dict[str, float | int]:
    """Number of rows, RMSE, mean absolute error, R2 and mean squared error (`loss`), with their 95 % intervals.

    All but `r2` and `loss` are in the target's unit; `seed` is that of the bootstrap.
    """
    errors = predicted - targets
    metrics = {
        "rmse": root_mean_square(errors),
        "mae": float(np.abs(errors).mean()),
        "r2": r_squared(predicted, targets),
        "loss": float(np.square(errors).mean()),
    }
    intervals = bootstrap_intervals(metrics, errors[:, None], (targets - targets.mean())[:, None], seed=seed)
    rmse_ends = {name: intervals.pop(name) for name in ("rmse_low", "rmse_high")}
    return {"num_rows": len(targets), "rmse": metrics.pop("rmse"), **rmse_ends, **metrics, **intervals}


def bootstrap_intervals(
    estimates: dict[str, float], errors: NDArray[np.float64], centered: NDArray[np.float64], *, seed: int
) -> dict[str, float | int]:
    """Ends of the 95 % intervals of `rmse`, `mae`, `r2` and `loss`, over all targets, whose estimates are given.

    Errors and targets minus their means are `[rows, targets]`.
    """
    num_targets = errors.shape[1]
    columns = (np.square(errors), np.abs(errors), np.square(centered), centered)
    sums = np.split(resample_sums(np.hstack(columns), seed=seed), len(columns), axis=1)
    squares, absolute = (part.mean(axis=1) / len(errors) for part in sums[:2])
    total = sums[2] - np.square(sums[3]) / len(errors)
    varies = total > SMALLEST_FRACTION * sums[2]  # the rest is rounding
    explained = np.where(varies, 1 - sums[0] / np.where(varies, total, 1), sums[0] == 0)
    resampled = {"rmse": np.sqrt(squares), "mae": absolute, "r2": explained.sum(axis=1) / num_targets, "loss": squares}
    ends: dict[str, float | int] = {}
    for name, values in resampled.items():
        ends |= name_ends(name, percentile_interval(estimates[name], values))
    return ends


def root_mean_square(errors: NDArray[np.float64]) -> float:
    """Root mean square of errors `[rows]`, in their unit."""
    return sqrt(float(np.mean(np.square(errors))))


def bootstrap_rmse(errors: NDArray[np.float64], *, seed: int = 0) -> tuple[float, float]:
    """Low and high end of the RMSE's 95 % interval, by resampling the rows.

    The interval is too narrow for few rows; for a single row both ends are its error.
    """
    sums = resample_sums(np.square(errors)[:, None], seed=seed)
    return percentile_interval(root_mean_square(errors), np.sqrt(sums[:, 0] / len(errors)))


def rmse_interval(errors: NDArray[np.float64], *, seed: int = 0) -> tuple[float, float]:
    """Low and high end of the RMSE's 95 % interval: `bootstrap_rmse` of up to MAX_RESAMPLED rows.

    For more rows, whose mean square is nearly normal, by the normal approximation, which takes no time.
    """
    if len(errors) <= MAX_RESAMPLED:
        return bootstrap_rmse(errors, seed=seed)
    squares = np.square(errors)
    mean, slack = float(squares.mean()), Z_95 * float(squares.std(ddof=1)) / sqrt(len(squares))
    return sqrt(max(mean - slack, 0.0)), sqrt(mean + slack)


def r_squared(predicted: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Fraction of the targets' variance that is explained: 1 at best, 0 for predicting the mean, negative if worse.

    1 - sum(errors^2) / sum((targets - mean)^2): Draper and Smith (1998), Applied Regression Analysis, section 1.3.
    If all targets are equal it is 1 for exact predictions and 0 otherwise, as in scikit-learn.
    """
    residual, total = float(np.square(predicted - targets).sum()), float(np.square(targets - targets.mean()).sum())
    if total == 0:
        return float(residual == 0)
    return 1 - residual / total


def mean_r_squared(outputs: NDArray[np.float32], targets: NDArray[Any]) -> float:
    """Mean R2 over the targets; `outputs` is `[rows, targets]`, `targets` has the same shape or is `[rows]`."""
    columns = np.asarray(targets, np.float64).reshape(outputs.shape)
    pairs = zip(outputs.astype(np.float64).T, columns.T, strict=True)
    return float(np.mean([r_squared(predicted, column) for predicted, column in pairs]))


def r_squared_by_row(outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
    """`[rows]`: what each row adds to the mean R2, such that the mean over the rows is `mean_r_squared`.

    `outputs` is `[rows, targets]`; the variance of the targets is taken as known.
    """
    columns = np.asarray(targets, np.float64).reshape(outputs.shape)
    squares, variance = np.square(outputs.astype(np.float64) - columns), columns.var(axis=0)
    varies = variance > 0
    parts = np.where(varies, 1 - squares / np.where(varies, variance, 1), (squares == 0).all(axis=0))
    return np.asarray(parts.mean(axis=1))


def interval_half_width(errors: NDArray[np.float64], coverage: float = INTERVAL_COVERAGE) -> float:
    """Half-width of an interval around a prediction that holds a new row's target with probability `coverage`.

    Split conformal prediction: the ceil(coverage * (rows + 1))-th smallest absolute error; Lei et al. (2018),
    Distribution-Free Predictive Inference for Regression, algorithm 2. It requires rows that the model was not fitted
    to, drawn from the same distribution. With fewer than coverage / (1 - coverage) rows it is the largest error, and
    covers less.
    """
    rank = min(ceil(coverage * (len(errors) + 1)), len(errors))
    return float(np.sort(np.abs(errors))[rank - 1])
