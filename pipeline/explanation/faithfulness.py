"""Faithfulness: whether the places that an attribution points at are those that the model needs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NUM_STEPS = 20


def deletion_curve(
    probabilities: Callable[[NDArray[np.uint8]], NDArray[np.float64]],
    inputs: NDArray[np.uint8],
    order: NDArray[np.float32],
    *,
    classes: NDArray[np.int64],
    fill: NDArray[np.uint8],
    num_steps: int = NUM_STEPS,
) -> NDArray[np.float64]:
    """Mean probability of each row's class as its places are deleted, the highest of `order` first.

    Petsiuk et al. (2018), RISE: Randomized Input Sampling for Explanation of Black-box Models, section 4.1.

    Args:
        probabilities: inputs `[rows, *places, channel]` -> `[rows, classes]`.
        inputs: `[rows, *places, channel]`.
        order: `[rows, *places]`: attributions, or random numbers to compare with.
        classes: `[rows]`: the class whose probability is followed, as the model predicted it.
        fill: `[channel]`: what a deleted place holds, such as the mean of the train rows.
        num_steps: how many equal parts the places are deleted in.

    Returns:
        `[num_steps + 1]`: from nothing deleted to everything deleted.
    """
    import numpy as np

    num_rows, num_places = len(inputs), order[0].size
    ranks = np.argsort(-order.reshape(num_rows, num_places), axis=1, kind="stable")
    left = np.array(inputs).reshape(num_rows, num_places, -1)
    rows = np.arange(num_rows)
    ends = np.rint(np.linspace(0, num_places, num_steps + 1)).astype(int)
    curve = [probabilities(inputs)[rows, classes].mean()]
    for start, end in pairwise(ends):
        left[rows[:, None], ranks[:, start:end]] = fill
        curve.append(probabilities(left.reshape(inputs.shape))[rows, classes].mean())
    return np.asarray(curve)


def area(curve: NDArray[np.float64]) -> float:
    """Area under a deletion curve over the share deleted, in [0, 1]: the less, the better the order (trapezoids)."""
    import numpy as np

    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))
