"""Metrics of ranking by score, AUROC and average precision, and their 95 % intervals without resampling.

Each row's influence on a metric, as a function of the weights of the rows, gives the standard error of the metric and
of means of several that share their rows (the infinitesimal jackknife: Efron 1982, The Jackknife, the Bootstrap and
Other Resampling Plans, chapter 6). For a single AUROC it is the interval of DeLong et al. (1988), Biometrics 44.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import exp, log, sqrt
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.comparison import Z_95_TWO_SIDED
from headrace.evaluation.metrics.classification import wilson_interval

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class RankingMetric(NamedTuple):
    """A metric, and how each row moves it."""

    value: float
    influence: Floats
    """`[rows]`, with mean 0: the metric's derivative by the row's weight, times the number of rows."""


Rank: TypeAlias = "Callable[[Floats, Bools], RankingMetric]"


def area_under_roc(scores: Floats, is_positive: Bools) -> RankingMetric:
    """The probability that a positive row has a higher score than a negative one; ties count half.

    Both `[rows]`, with at least one row of each kind.
    """
    positive, negative = np.sort(scores[is_positive]), np.sort(scores[~is_positive])
    placements = np.empty(len(scores))
    placements[is_positive] = _fraction_below(negative, scores[is_positive])
    placements[~is_positive] = 1 - _fraction_below(positive, scores[~is_positive])
    value = float(placements[is_positive].mean())
    shares = np.where(is_positive, len(positive), len(negative)) / len(scores)
    return RankingMetric(value, (placements - value) / shares)


def average_precision(scores: Floats, is_positive: Bools) -> RankingMetric:
    """Area under the precision-recall curve, without interpolation, as in scikit-learn; needs a positive row."""
    _, groups = np.unique(-scores, return_inverse=True)  # of equal scores, the highest first
    sizes, hits = np.bincount(groups), np.bincount(groups, weights=is_positive)
    num_above, share = np.cumsum(sizes), hits / hits.sum()
    precision = np.cumsum(hits) / num_above
    value = float((share * precision).sum())
    # a row counts in the precision at its own score and at all lower ones
    per_row = share * len(scores) / num_above
    as_hit, as_row = (np.cumsum(terms[::-1])[::-1] for terms in (per_row, per_row * precision))
    own = is_positive * (precision[groups] - value) * len(scores) / hits.sum()
    return RankingMetric(value, own + is_positive * as_hit[groups] - as_row[groups])


def mean_with_interval(rank: Rank, scores: Floats, targets: Bools) -> tuple[float, float, float]:
    """The mean of a metric over the columns of `[rows, columns]` in which targets vary, and its 95 % interval.

    The interval is symmetric in the log-odds, and so lies within (0, 1). At 0 and 1, where no row has influence, it is
    that of as many rows as the rarest kind has. (0, 0, 1) if no column varies.
    """
    columns = np.flatnonzero(targets.any(axis=0) & ~targets.all(axis=0)).tolist()
    if not columns:
        return 0.0, 0.0, 1.0
    metrics = [rank(scores[:, column], targets[:, column]) for column in columns]
    value = float(np.mean([metric.value for metric in metrics]))
    if not 0 < value < 1:
        counts = targets[:, columns].sum(axis=0)
        rarest = int(np.minimum(counts, len(targets) - counts).min())
        return value, *wilson_interval(value * rarest, rarest)
    influence = _mean(metric.influence for metric in metrics) / len(metrics)
    error = sqrt(float(np.square(influence).sum())) / len(influence)
    center, half_width = log(value / (1 - value)), Z_95_TWO_SIDED * error / (value * (1 - value))
    return value, _expit(center - half_width), _expit(center + half_width)


def _fraction_below(sorted_values: Floats, values: Floats) -> Floats:
    """The fraction of sorted values below each value; equal ones count half."""
    left, right = (np.searchsorted(sorted_values, values, side) for side in ("left", "right"))
    return np.asarray((left + right) / (2 * len(sorted_values)))


def _mean(arrays: Iterable[Floats]) -> Floats:
    total = np.zeros(1)
    for array in arrays:
        total = total + array
    return total


def _expit(log_odds: float) -> float:
    """The inverse of the log-odds; never overflows."""
    return 1 / (1 + exp(-log_odds)) if log_odds >= 0 else exp(log_odds) / (1 + exp(log_odds))
