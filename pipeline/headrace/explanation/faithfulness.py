"""Faithfulness: whether the places that an attribution points at are those that the model needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_STEPS = 20


def deletion_curve(
    follow: Callable[[NDArray[Any]], NDArray[np.float64]],
    inputs: NDArray[Any],
    order: NDArray[np.float32],
    *,
    erase: Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[Any]],
    num_steps: int = NUM_STEPS,
) -> NDArray[np.float64]:
    """Mean of what is followed as each row's places are deleted, the highest of `order` first.

    Petsiuk et al. (2018), RISE: Randomized Input Sampling for Explanation of Black-box Models, section 4.1.

    Args:
        follow: inputs `[rows, ...]` -> `[rows]`, such as the probability of the class that was predicted.
        inputs: `[rows, ...]`.
        order: `[rows, *places]`: attributions, or random numbers to compare with; -infinity: no place of this row.
        erase: inputs, and which places go `[rows, *places]` -> inputs without them; it leaves its argument alone.
        num_steps: how many equal parts the places of a row are deleted in.

    Returns:
        `[num_steps + 1]`: from nothing deleted to everything deleted.
    """
    flat = order.reshape(len(order), -1)
    ranks = np.empty(flat.shape, np.int64)
    np.put_along_axis(ranks, np.argsort(-flat, axis=1, kind="stable"), np.arange(flat.shape[1]), axis=1)
    ends = np.rint(np.linspace(0, np.isfinite(flat).sum(axis=1), num_steps + 1))
    return np.asarray([follow(erase(inputs, (ranks < end[:, None]).reshape(order.shape))).mean() for end in ends])


def likeness(
    values: NDArray[np.float64], before: NDArray[np.float64], spread: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """How much of a value `[rows]` is left: 1 as `before`, 1/2 one `spread` away, towards 0 beyond.

    What a regression's deletion curve follows, since a value has no probability: 1 / (1 + distance / spread).
    """
    return np.asarray(1 / (1 + np.abs(values - before) / spread))


def area(curve: NDArray[np.float64]) -> float:
    """Area under a deletion curve over the share deleted, in [0, 1]: the less, the better the order (trapezoids)."""
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))
