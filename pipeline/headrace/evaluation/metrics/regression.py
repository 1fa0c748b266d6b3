"""Regression metrics in the target's unit: error with its interval, R2, and the half-width of a prediction interval."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_RESAMPLES = 1000
DRAWS_PER_PASS = 2**22  # 32 MB of row indices at once
INTERVAL_COVERAGE = 0.9
MAX_RESAMPLED = 2000
"""Rows of a slice; a table has some hundred slices."""
Z_95 = 1.96


def summary_metrics(
    predicted: NDArray[np.float64], targets: NDArray[np.float64], *, seed: int = 0
) -> dict[str, float | int]:
    """Number of rows, RMSE and its 95 % interval, mean absolute error, R2 and mean squared error (`loss`).

    All but `r2` and `loss` are in the target's unit; `seed` is that of the bootstrap.
    """
    errors = predicted - targets
    low, high = bootstrap_rmse(errors, seed=seed)
    return {
        "num_rows": len(targets),
        "rmse": root_mean_square(errors),
        "rmse_low": low,
        "rmse_high": high,
        "mae": float(np.abs(errors).mean()),
        "r2": r_squared(predicted, targets),
        "loss": float(np.square(errors).mean()),
    }


def root_mean_square(errors: NDArray[np.float64]) -> float:
    """Root mean square of errors `[rows]`, in their unit."""
    return sqrt(float(np.mean(np.square(errors))))


def bootstrap_rmse(errors: NDArray[np.float64], *, seed: int = 0, confidence: float = 0.95) -> tuple[float, float]:
    """Low and high end of the RMSE's percentile interval, over NUM_RESAMPLES draws of the rows with replacement.

    Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 13.3. The interval is too narrow for few
    rows; for a single row both ends are its error.
    """
    rng, squares = np.random.default_rng(seed), np.square(errors)
    per_pass = max(1, DRAWS_PER_PASS // len(errors))
    means = []
    for start in range(0, NUM_RESAMPLES, per_pass):
        shape = (min(per_pass, NUM_RESAMPLES - start), len(errors))
        means.append(squares[rng.integers(0, len(errors), shape)].mean(axis=1))
    low, high = np.quantile(np.sqrt(np.concatenate(means)), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


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
