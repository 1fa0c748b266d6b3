"""Faithfulness: whether the places that an attribution highlights are those that the model uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.explanation.attributions import Erase
from headrace.explanation.views.base import View

Score: TypeAlias = Callable[[NDArray[Any]], NDArray[np.float64]]
"""Inputs `[rows, ...]` -> `[rows]`, such as the probability of the predicted class."""
NUM_STEPS = 20


def compute_deletion_curve(
    score: Score,
    inputs: NDArray[Any],
    order: NDArray[np.float32],
    *,
    erase: Erase,
    num_steps: int = NUM_STEPS,
) -> NDArray[np.float64]:
    """Computes the mean score as each row's places are deleted, the highest of `order` first.

    Petsiuk et al. (2018), RISE: Randomized Input Sampling for Explanation of Black-box Models, section 4.1.

    Args:
        score: scores the inputs.
        inputs: `[rows, ...]`.
        order: `[rows, *places]`: attributions, or random numbers to compare with; -infinity: not a place of this row.
        erase: inputs and the places to delete `[rows, *places]` -> a copy without them.
        num_steps: in how many equal steps the places of a row are deleted.

    Returns:
        `[num_steps + 1]`: from nothing deleted to everything deleted.
    """
    flat = order.reshape(len(order), -1)
    ranks = np.empty(flat.shape, np.int64)
    np.put_along_axis(ranks, np.argsort(-flat, axis=1, kind="stable"), np.arange(flat.shape[1]), axis=1)
    ends = np.rint(np.linspace(0, np.isfinite(flat).sum(axis=1), num_steps + 1))
    return np.asarray([score(erase(inputs, (ranks < end[:, None]).reshape(order.shape))).mean() for end in ends])


def compare_deletion_curves(
    score: Score, inputs: NDArray[Any], maps: NDArray[np.float32], view: View, *, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Computes the deletion curve for the most attributed places first, and for a random order."""
    random = np.random.default_rng(seed).random(maps.shape, dtype=np.float32)
    is_place = view.are_places(inputs)
    return {
        name: compute_deletion_curve(score, inputs, np.where(is_place, order, -np.inf), erase=view.erase)
        for name, order in (("most attributed first", maps), ("random order", random))
    }


def measure_faithfulness(curves: dict[str, NDArray[np.float64]]) -> Metrics:
    """Returns the areas under both curves, and how much smaller that of the attribution is."""
    deletion, random = (area_under_curve(curve) for curve in curves.values())
    return {"deletion_auc": deletion, "random_auc": random, "faithfulness": random - deletion}


def compute_similarity(
    values: NDArray[np.float64], before: NDArray[np.float64], spread: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compares values `[rows]` with those before: 1 for equal, 1/2 one `spread` away, towards 0 beyond.

    This is the score of a regression's deletion curve, since a value has no probability: 1 / (1 + distance / spread).
    """
    return np.asarray(1 / (1 + np.abs(values - before) / spread))


def area_under_curve(curve: NDArray[np.float64]) -> float:
    """Area under a deletion curve over the fraction deleted, in [0, 1] (trapezoids): lower means a better order."""
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))
