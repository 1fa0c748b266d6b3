"""95 % intervals of metrics, by resampling the rows (bootstrap).

Efron and Tibshirani (1993), An Introduction to the Bootstrap: percentile interval, section 13.3. All metrics here are
functions of sums over rows, so that a resample is a row of weights, and its sums are one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_RESAMPLES, MIN_RESAMPLES = 1000, 200
MAX_DRAWS = 2**26
"""Drawn rows over all resamples; beyond it there are fewer resamples, at least MIN_RESAMPLES."""
DRAWS_PER_PASS = 2**21
"""Rows that are drawn at once: 16 MB of indices, and as much of weights."""
TAILS = (0.025, 0.975)
MAX_MULTIPLE, BISECTION_STEP = 8.0, 1e-3

Floats = NDArray[np.float64]


def resample_sums(values: Any, *, seed: int) -> Floats:
    """`[rows, columns]` (an array, or a SciPy sparse array) -> `[resamples, columns]`.

    Sums of the columns over as many rows as there are, drawn with replacement.
    """
    num_rows = values.shape[0]
    rng = np.random.default_rng(seed)
    num_resamples = int(np.clip(MAX_DRAWS // num_rows, MIN_RESAMPLES, NUM_RESAMPLES))
    per_pass = max(1, DRAWS_PER_PASS // num_rows)
    sums = []
    for start in range(0, num_resamples, per_pass):
        count = min(per_pass, num_resamples - start)
        drawn = rng.integers(0, num_rows, (count, num_rows))
        drawn += np.arange(count)[:, None] * num_rows
        weights = np.bincount(drawn.ravel(), minlength=count * num_rows).reshape(count, num_rows)
        sums.append(np.asarray(weights.astype(np.float64) @ values))
    return np.concatenate(sums)


def percentile_interval(estimate: float, resampled: Floats) -> tuple[float, float]:
    """Low and high end, between which 95 % of the resampled values lie; includes the estimate."""
    low, high = np.quantile(resampled, TAILS)
    return min(float(low), estimate), max(float(high), estimate)


def calibration_error_interval(gaps: Floats, resampled: Floats) -> tuple[float, float]:
    """The interval of a calibration error, the sum of |gap| over the bins; includes the estimate.

    `gaps` `[bins]` are the bins' shares of the error, with their sign; `resampled` `[resamples, bins]` has the same of
    resamples. The absolute values of noise add up, so that the estimate exceeds the true error, and resamples exceed
    the estimate. Therefore the ends are the multiples of the gaps with which an error as small, or as large, as the
    estimate would be rare: Davison and Hinkley (1997), Bootstrap Methods and their Application, section 5.5.
    """
    estimate, noise = float(np.abs(gaps).sum()), resampled - gaps

    def is_rare(multiple: float, *, larger: bool) -> bool:
        errors = np.abs(multiple * gaps + noise).sum(axis=1)
        return float(np.mean(errors >= estimate if larger else errors <= estimate)) < TAILS[0]

    low = _bisect(lambda multiple: not is_rare(multiple, larger=True), 0.0, 1.0)
    high = _bisect(lambda multiple: is_rare(multiple, larger=False), 0.0, MAX_MULTIPLE)
    return low * estimate, max(1.0, high) * estimate


def _bisect(is_beyond: Callable[[float], bool], low: float, high: float) -> float:
    """The lowest value, within 1/1000, at which a condition holds that holds from some value on."""
    if is_beyond(low):
        return low
    while high - low > BISECTION_STEP:
        middle = (low + high) / 2
        low, high = (low, middle) if is_beyond(middle) else (middle, high)
    return high


def name_ends(name: str, interval: tuple[float, float]) -> dict[str, float | int]:
    """The ends of an interval as metrics: `<name>_low` and `<name>_high`."""
    return {f"{name}_low": interval[0], f"{name}_high": interval[1]}
