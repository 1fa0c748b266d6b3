"""Faithfulness: whether the places that an attribution highlights are those that the model uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.evaluation.comparison import difference_interval
from headrace.explanation.methods.attributions import Erase
from headrace.explanation.views.base import View

Score: TypeAlias = Callable[[NDArray[Any]], NDArray[np.float64]]
"""Inputs `[rows, ...]` -> `[rows]`, such as the probability of the predicted class."""
Verdict: TypeAlias = Literal["shown", "partly shown", "not shown"]
NUM_STEPS = 20
MIN_GAIN = 0.05
"""Areas that differ by less from those of a random order say too little to rely on, however certain they are."""
KINDS = ("deletion", "insertion")


class Curves(NamedTuple):
    """Scores `[rows, steps + 1]`, from nothing deleted to everything deleted, in three orders of deletion."""

    most_first: NDArray[np.float64]
    """The most attributed places first."""
    least_first: NDArray[np.float64]
    """The least attributed places first: read backwards, the most attributed ones are inserted first."""
    random: NDArray[np.float64]
    """Read backwards, this is a random order of insertion."""


def compute_deletion_curves(
    score: Score,
    inputs: NDArray[Any],
    order: NDArray[np.float32],
    *,
    erase: Erase,
    num_steps: int = NUM_STEPS,
) -> NDArray[np.float64]:
    """Computes each row's score as its places are deleted, the highest of `order` first.

    Petsiuk et al. (2018), RISE: Randomized Input Sampling for Explanation of Black-box Models, section 4.1.

    Args:
        score: scores the inputs.
        inputs: `[rows, ...]`.
        order: `[rows, *places]`: attributions, or random numbers to compare with; -infinity: not a place of this row.
        erase: inputs and the places to delete `[rows, *places]` -> a copy without them.
        num_steps: in how many equal steps the places of a row are deleted.

    Returns:
        `[rows, num_steps + 1]`: from nothing deleted to everything deleted.
    """
    flat = order.reshape(len(order), -1)
    ranks = np.empty(flat.shape, np.int64)
    np.put_along_axis(ranks, np.argsort(-flat, axis=1, kind="stable"), np.arange(flat.shape[1]), axis=1)
    ends = np.rint(np.linspace(0, np.isfinite(flat).sum(axis=1), num_steps + 1))
    scores = [score(erase(inputs, (ranks < end[:, None]).reshape(order.shape))) for end in ends]
    return np.stack(scores, axis=1)


def compare_with_random(
    score: Score, inputs: NDArray[Any], strengths: NDArray[np.float32], view: View, *, seed: int
) -> Curves:
    """Computes the deletion curves of an attribution and of a random order of the same rows' places.

    `strengths` `[rows, *places]`: the highest are deleted first, and last.
    """
    random = np.random.default_rng(seed).random(strengths.shape, dtype=np.float32)
    is_place = view.are_places(inputs)
    orders = (np.where(is_place, order, -np.inf) for order in (strengths, -strengths, random))
    return Curves(*(compute_deletion_curves(score, inputs, order, erase=view.erase) for order in orders))


def measure_faithfulness(curves: Curves) -> Metrics:
    """Returns the areas under the curves, and how much better than the random order they are.

    `deletion` is the random area minus the deletion area, `insertion` the insertion area minus the random one; `_low`
    and `_high` are the ends of their 95 % intervals over the rows, paired, by the normal approximation, which one row
    does not have.
    """
    deletion, insertion, random = (area_under_curve(curve) for curve in curves)
    areas = {"deletion_auc": deletion, "insertion_auc": insertion, "random_auc": random}
    gains: Metrics = {}
    for kind, pair in zip(KINDS, ((random, deletion), (insertion, random)), strict=True):
        gains[kind], low, high = difference_interval(*pair)
        gains |= {f"{kind}_low": low, f"{kind}_high": high} if len(random) > 1 else {}
    return gains | {name: float(area.mean()) for name, area in areas.items()}


def find_shown_kinds(metrics: Metrics) -> list[str]:
    """Returns the kinds, deletion and insertion, whose gain is at least MIN_GAIN and whose interval lies above 0."""
    return [kind for kind in KINDS if metrics[kind] >= MIN_GAIN and metrics.get(f"{kind}_low", -1.0) > 0]


def judge_faithfulness(metrics: Metrics) -> Verdict:
    """Returns what the metrics of `measure_faithfulness` allow to claim."""
    verdicts: tuple[Verdict, ...] = ("not shown", "partly shown", "shown")
    return verdicts[len(find_shown_kinds(metrics))]


def compute_similarity(
    values: NDArray[np.float64], before: NDArray[np.float64], spread: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compares values `[rows]` with those before: 1 for equal, 1/2 one `spread` away, towards 0 beyond.

    This is the score of a regression's deletion curve, since a value has no probability: 1 / (1 + distance / spread).
    """
    return np.asarray(1 / (1 + np.abs(values - before) / spread))


def area_under_curve(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas `[...]` under curves `[..., steps + 1]` over the fraction deleted, in [0, 1] (trapezoids)."""
    return np.asarray(np.trapezoid(curves, dx=1 / (curves.shape[-1] - 1), axis=-1))
