"""Knots of the piecewise linear map from values to their ranks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

TIE_SPACING = 1e-6
"""Total width given to tied knots, as a fraction of the smallest gap between distinct knots."""


def compute_knots(values: NDArray[np.float64], num_knots: int) -> list[float] | None:
    """Returns quantiles at equal steps, strictly increasing as float32; None if all values are equal.

    A value shared by many rows fills several knots. They are spread slightly so that the map stays defined and the
    value keeps its rank. As in scikit-learn's QuantileTransformer that is 0 for the smallest value, 1 for the
    largest, and the middle of its ranks for any other value.
    """
    quantiles = np.quantile(values, np.linspace(0, 1, num_knots)).astype(np.float32)
    if quantiles[0] == quantiles[-1]:
        return None
    knots = _spread_ties(quantiles.astype(np.float64)).astype(np.float32)
    for index in range(1, len(knots)):  # where no float32 lies between two knots
        knots[index] = max(knots[index], np.nextafter(knots[index - 1], np.float32(np.inf)))
    return [float(knot) for knot in knots]


def _spread_ties(quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    distinct, counts = np.unique(quantiles, return_counts=True)
    ends = np.cumsum(counts)
    width = TIE_SPACING * float(np.diff(distinct).min())
    knots = quantiles.copy()
    for index, (start, end) in enumerate(pairwise([0, *ends.tolist()])):
        size = end - start
        step = max(width / size, 2 * float(np.spacing(np.float32(abs(distinct[index])))))
        before = 0.0 if index == 0 else size - 1.0 if index == len(distinct) - 1 else (size - 1) / 2
        knots[start:end] += (np.arange(size) - before) * step
    return knots
