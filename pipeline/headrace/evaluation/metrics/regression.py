"""Figures of a regression, in the target's own unit: error with its interval, R2, and what to allow around a value."""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

NUM_RESAMPLES = 1000
DRAWS_PER_PASS = 2**22  # 32 MB of row indices at once
INTERVAL_SHARE = 0.9


def root_mean_square(errors: NDArray[np.float64]) -> float:
    """Of errors `[rows]`, in their unit."""
    return sqrt(float(np.mean(np.square(errors))))


def bootstrap_rmse(errors: NDArray[np.float64], *, seed: int = 0, confidence: float = 0.95) -> tuple[float, float]:
    """Low and high end of the RMSE's percentile interval, over NUM_RESAMPLES draws of the rows with replacement.

    Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 13.3. It is too narrow for few rows; one
    row alone tells nothing of its spread, and gives itself twice.
    """
    rng, squares = np.random.default_rng(seed), np.square(errors)
    per_pass = max(1, DRAWS_PER_PASS // len(errors))
    means = []
    for start in range(0, NUM_RESAMPLES, per_pass):
        shape = (min(per_pass, NUM_RESAMPLES - start), len(errors))
        means.append(squares[rng.integers(0, len(errors), shape)].mean(axis=1))
    low, high = np.quantile(np.sqrt(np.concatenate(means)), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def r_squared(predicted: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Share of the targets' variance that is explained: 1 at best, 0 for their mean, below 0 for worse.

    1 - sum(errors^2) / sum((targets - mean)^2): Draper and Smith (1998), Applied Regression Analysis, section 1.3.
    For targets that are all equal it is 1 where each is met and 0 elsewhere, as in scikit-learn.
    """
    left, spread = float(np.square(predicted - targets).sum()), float(np.square(targets - targets.mean()).sum())
    if spread == 0:
        return float(left == 0)
    return 1 - left / spread


def interval_half_width(errors: NDArray[np.float64], share: float = INTERVAL_SHARE) -> float:
    """What to add to and take from a value, so that a new row's target lies between with probability `share`.

    Split conformal prediction: the ceil(share * (rows + 1))-th smallest absolute error; Lei et al. (2018),
    Distribution-Free Predictive Inference for Regression, algorithm 2. It holds for rows that the model was not fitted
    to, drawn like these. With fewer than share / (1 - share) rows it is the largest error, and promises less.
    """
    place = min(ceil(share * (len(errors) + 1)), len(errors))
    return float(np.sort(np.abs(errors))[place - 1])


def summary_metrics(
    predicted: NDArray[np.float64], targets: NDArray[np.float64], *, seed: int = 0
) -> dict[str, float | int]:
    """The figures that every judgement begins with: rows, RMSE and its 95 % interval, mean error, R2, squared error.

    All but `r2` and `loss` (the mean squared error) are in the target's unit; `seed` draws the interval.
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
