"""Curves over all thresholds of a score that shall be higher for positive rows: ROC, precision and recall."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Z_95 = 1.96


class RankingCurve(NamedTuple):
    """Rates over all thresholds, from the highest score down; the first point is that of no positive answers."""

    false_positive_rate: Floats
    true_positive_rate: Floats
    """Also called recall."""
    precision: Floats


class AreaUnderRoc(NamedTuple):
    """The area and its 95 % interval."""

    value: float
    low: float
    high: float


def trace_ranking(scores: Floats, is_positive: NDArray[np.bool_]) -> RankingCurve:
    """Traces both curves; rows of equal score are accepted together. Needs rows of both kinds."""
    order = np.argsort(-scores, kind="stable")
    descending, hits = scores[order], is_positive[order]
    is_last_of_ties = np.append(descending[1:] != descending[:-1], True)
    true, false = (np.cumsum(flags)[is_last_of_ties] for flags in (hits, ~hits))
    return RankingCurve(
        np.append(0.0, false / max(int((~is_positive).sum()), 1)),
        np.append(0.0, true / max(int(is_positive.sum()), 1)),
        np.append(1.0, true / (true + false)),
    )


def average_precision(curve: RankingCurve) -> float:
    """Sum of precision times the step in recall, as in scikit-learn."""
    return float((np.diff(curve.true_positive_rate) * curve.precision[1:]).sum())


def area_under_roc(positive: Floats, negative: Floats) -> AreaUnderRoc:
    """Probability that a positive row scores higher than a negative one, ties half.

    The interval is that of Hanley and McNeil (1982), The Meaning and Use of the Area under a ROC Curve, equation 2. It
    has no width where the area is 0 or 1. Needs rows of both kinds.
    """
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    area, num_positive, num_negative = float(below.mean()) / (2 * len(negative)), len(positive), len(negative)
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (num_positive - 1) * (first - area**2) + (num_negative - 1) * (second - area**2)
    error = Z_95 * (max(variance, 0.0) / (num_positive * num_negative)) ** 0.5
    return AreaUnderRoc(area, max(0.0, area - error), min(1.0, area + error))
