"""Knots of the map from values to their ranks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

APART = 1e-6
"""Of the smallest gap between different knots: how far apart equal ones are put."""


def knots(values: NDArray[np.float64], num_knots: int) -> list[float] | None:
    """Values whose ranks are evenly spaced in [0, 1], strictly increasing as float32; None where all are the same.

    A value that many rows share fills several knots, which the map needs to differ: they are moved apart by next to
    nothing, so that the value keeps its rank. As in scikit-learn's QuantileTransformer that is 0 for the smallest
    value, 1 for the largest, and for another one the middle of its ranks.
    """
    found = np.quantile(values, np.linspace(0, 1, num_knots)).astype(np.float32)
    if found[0] == found[-1]:
        return None
    made = _parted(found.astype(np.float64)).astype(np.float32)
    for index in range(1, len(made)):  # where float32 has nothing between two knots
        made[index] = max(made[index], np.nextafter(made[index - 1], np.float32(np.inf)))
    return [float(knot) for knot in made]


def _parted(found: NDArray[np.float64]) -> NDArray[np.float64]:

    distinct, counts = np.unique(found, return_counts=True)
    ends = np.cumsum(counts)
    apart = APART * float(np.diff(distinct).min())
    made = found.copy()
    for index, (start, end) in enumerate(pairwise([0, *ends.tolist()])):
        size = end - start
        step = max(apart / size, 2 * float(np.spacing(np.float32(abs(distinct[index])))))
        before = 0.0 if index == 0 else size - 1.0 if index == len(distinct) - 1 else (size - 1) / 2
        made[start:end] += (np.arange(size) - before) * step
    return made
