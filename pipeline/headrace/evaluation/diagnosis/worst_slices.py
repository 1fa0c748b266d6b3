"""Finds the slices, by one condition or by two, on which a model is worst, beyond what chance explains.

After Sagadeeva and Boehm (2021), SliceLine: Fast, Linear-Algebra-based Slice Finding for ML Model Debugging: the same
score and support. With two conditions at most every slice is enumerated, so that no pruning is needed. The tests are
those of Chung et al. (2019), Slice Finder: Automated Data Slicing for Model Validation (Welch's), with Holm's (1979)
correction for the number of slices.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.result import EvaluationResult, Table
from headrace.evaluation.slices import SliceKey, Slices, measure_losses

Floats = NDArray[np.float64]
MIN_ROWS, MIN_FRACTION = 32, 0.01
"""Rows that a slice needs, whichever is more: section 5.1 of SliceLine."""
SIZE_PENALTY = 0.05
"""1 - alpha of SliceLine's score (section 3.1): the weight of a slice's smallness against its losses."""
MAX_CONDITIONS = 200
MAX_SLICES = 20
SIGNIFICANCE = 0.05
ROWS_PER_PASS = 8192
ROUNDING = 1e-14
"""Variance, as a fraction of the sum of squares, that is taken for none."""
LARGEST_T = 1e6
"""For slices whose rows all have the same loss."""


class WorstSlice(NamedTuple):
    """A slice that is worse than the other rows; `low` and `high` do not know that it was searched for, `p` does."""

    slice: str
    rows: int
    value: float
    low: float
    high: float
    other_rows: float
    """The metric on all rows outside the slice."""
    p: float
    """Probability of a difference this large by chance, over all slices that were compared (Holm)."""


class _Sums(NamedTuple):
    """Rows, losses and squared losses by pair of conditions: `[conditions, conditions]` each."""

    rows: Floats
    losses: Floats
    squares: Floats


def find_worst_slices(result: EvaluationResult, slices: Slices, *, seed: int) -> list[WorstSlice]:
    """Returns at most MAX_SLICES slices that are worse than the rest: those that chance does not explain first."""
    losses, keys = result.row_losses, list(slices)[:MAX_CONDITIONS]
    masks = np.array([slices[key] for key in keys], bool).reshape(len(keys), len(losses))
    sums = _sum_pairs(masks, losses)
    candidates = _list_candidates(keys, sums, len(losses))
    if not len(candidates):
        return []
    p_values, scores = correct_by_holm(_test_slices(sums, losses, candidates)), _score_slices(sums, losses, candidates)
    ranked = np.lexsort((candidates[:, 1], candidates[:, 0], -scores, p_values >= SIGNIFICANCE))
    worst: list[WorstSlice] = []
    for at in ranked[scores[ranked] > 0][:MAX_SLICES].tolist():
        first, second = candidates[at].tolist()
        rows = masks[first] & masks[second]
        name = " and ".join(str(key) for key in dict.fromkeys((keys[first], keys[second])))
        value, low, high = measure_losses(losses[rows], result.metric, seed=seed)
        other_rows, _, _ = measure_losses(losses[~rows], result.metric, seed=seed)
        worst.append(WorstSlice(name, int(rows.sum()), value, low, high, other_rows, float(p_values[at])))
    return worst


def describe_worst(worst: list[WorstSlice], metric: str) -> str | None:
    """One sentence on the first slice that chance does not explain; None if there is none."""
    for part in worst:
        if part.p < SIGNIFICANCE:
            return (
                f"{metric} is {part.value:.3g} ({part.low:.3g} to {part.high:.3g}) on the {part.rows:,} rows with"
                f" {part.slice}, and {part.other_rows:.3g} on all others; see reports/test/worst_slices.csv"
            )
    return None


def make_table(worst: list[WorstSlice], metric: str) -> Table:
    """The columns of `worst_slices.csv`."""
    columns = ("slice", "rows", metric, f"{metric}_low", f"{metric}_high", f"{metric}_other_rows", "p")
    return Table(columns, worst)


def _sum_pairs(masks: NDArray[np.bool_], losses: Floats) -> _Sums:
    totals = np.zeros((3, len(masks), len(masks)))
    for start in range(0, len(losses), ROWS_PER_PASS):
        part, loss = masks[:, start : start + ROWS_PER_PASS].astype(np.float64), losses[start : start + ROWS_PER_PASS]
        totals += np.stack([(part * weights) @ part.T for weights in (1.0, loss, loss**2)])
    return _Sums(*totals)


def _list_candidates(keys: list[SliceKey], sums: _Sums, num_rows: int) -> NDArray[np.intp]:
    """`[slices, 2]`: conditions of different columns, or one twice, with enough rows inside, and some outside."""
    columns = np.array([key.column for key in keys], object)
    is_pair = np.triu(columns[:, None] != columns[None, :]) | np.eye(len(keys), dtype=bool)
    has_rows = (sums.rows >= max(MIN_ROWS, MIN_FRACTION * num_rows)) & (num_rows - sums.rows >= MIN_ROWS)
    return np.argwhere(is_pair & has_rows)


def _test_slices(sums: _Sums, losses: Floats, candidates: NDArray[np.intp]) -> Floats:
    """p-value of each slice against all other rows and, for a pair, against the other rows of each of its conditions.

    The largest of them counts: a pair is not news if one of its conditions explains it.
    """
    first, second = candidates.T
    inside = np.stack([total[first, second] for total in sums])
    everything = np.array([[len(losses)], [losses.sum()], [(losses**2).sum()]])
    p_values = _test_against(inside, everything - inside)
    for condition in (first, second):
        whole = np.stack([total[condition, condition] for total in sums])
        p_values = np.where(first == second, p_values, np.maximum(p_values, _test_against(inside, whole - inside)))
    return p_values


def _test_against(inside: Floats, outside: Floats) -> Floats:
    """Welch's test that the mean loss is larger inside, from rows, losses and squared losses; 1 for too few rows."""
    from scipy.special import stdtr

    (mean, error, rows), (rest_mean, rest_error, rest_rows) = (_mean_error(*part) for part in (inside, outside))
    spread, difference = error + rest_error, mean - rest_mean
    has_spread = spread > 0
    shares = error**2 / np.maximum(rows - 1, 1) + rest_error**2 / np.maximum(rest_rows - 1, 1)
    freedom = np.where(has_spread, spread**2 / np.where(shares > 0, shares, 1), rows + rest_rows - 2)
    t = np.where(has_spread, difference / np.sqrt(np.where(has_spread, spread, 1)), np.sign(difference) * LARGEST_T)
    p_values = stdtr(np.maximum(freedom, 1.0), -np.clip(t, -LARGEST_T, LARGEST_T))
    return np.where((rest_rows >= 2) & (difference > 0), p_values, 1.0)  # noqa: PLR2004 one row has no spread


def _score_slices(sums: _Sums, losses: Floats, candidates: NDArray[np.intp]) -> Floats:
    """SliceLine's score: above 0 where the losses outweigh the smallness."""
    first, second = candidates.T
    rows, overall = sums.rows[first, second], float(losses.mean())
    ratio = sums.losses[first, second] / rows / overall if overall > 0 else np.ones(len(rows))
    return np.asarray((1 - SIZE_PENALTY) * (ratio - 1) - SIZE_PENALTY * (len(losses) / rows - 1))


def _mean_error(rows: Floats, total: Floats, squares: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, squared standard error, and number of rows."""
    mean = total / np.maximum(rows, 1)
    variance = np.maximum(squares - rows * mean**2, 0) / np.maximum(rows - 1, 1)
    # sums of equal losses leave rounding errors
    variance = np.where(variance > ROUNDING * squares, variance, 0)
    return mean, variance / np.maximum(rows, 1), rows


def correct_by_holm(p_values: Floats) -> Floats:
    """Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure: adjusted p-values, 1 at most."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty_like(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    return adjusted
