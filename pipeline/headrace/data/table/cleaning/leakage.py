"""How well one column tells the target by itself: what a column that was filled in after the fact gives away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_ROWS = 5
"""Of a class, for its share to mean anything; and of rows in all."""
MAX_CLASSES = 20
"""The most frequent ones are looked at."""
MIN_SHARE = 0.5
"""Of rows that have both numbers, for a rank correlation to tell of the column."""


def purity(values: NDArray[np.uint64], labels: Ints) -> float:
    """Mean recall over classes when a row's class is guessed as the most frequent of the *other* rows of its value.

    `values` and `labels` `[rows]` are codes. Leaving the row itself out is what keeps an id, whose values are all
    different, from telling everything; classes of fewer than MIN_ROWS rows are left aside.
    """
    width = int(labels.max(initial=0)) + 1
    pairs, counts = np.unique(_ranked(values) * width + labels, return_counts=True)
    groups, label_of = np.divmod(pairs, width)
    most = _largest(groups, counts)
    is_most = counts == most[groups]
    second = _largest(groups[~is_most], counts[~is_most], len(most))
    is_tied = np.bincount(groups[is_most], minlength=len(most)) > 1
    is_right = is_most & ~is_tied[groups] & (counts - 1 > second[groups])
    sizes = np.bincount(labels, minlength=width)
    right = np.bincount(label_of, weights=counts * is_right, minlength=width)
    counted = sizes >= MIN_ROWS
    return float((right[counted] / sizes[counted]).mean()) if counted.sum() > 1 else 0.0


def interval_score(quantities: Floats, labels: Ints) -> float:
    """Mean over classes of the best balanced accuracy with which one interval of values picks the class out.

    An interval is one or two thresholds; missing values stand beyond the largest. For two classes it is at least what
    the best single threshold reaches (Youden's index J as (1 + J) / 2).
    """
    order = np.argsort(quantities, kind="stable")  # NaN come last
    ranked, ordered = _ranked(np.where(np.isnan(quantities), np.inf, quantities))[order], labels[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # cuts lie between different values only
    sizes = np.bincount(labels)
    classes = [c for c in np.argsort(-sizes, kind="stable")[:MAX_CLASSES] if sizes[c] >= MIN_ROWS]
    if len(classes) < 2:  # noqa: PLR2004
        return 0.0
    scores = []
    for label in classes:
        inside = np.append(0, np.cumsum(ordered == label)[ends])
        outside = np.append(0, ends + 1) - inside
        gain = inside / sizes[label] - outside / (len(labels) - sizes[label])
        scores.append((1 + (gain - np.minimum.accumulate(gain)).max()) / 2)
    return float(np.mean(scores))


def rank_correlation(quantities: Floats, targets: Floats) -> float:
    """|Spearman's rho| over the rows that have both; 0 where they are too few to tell."""
    both = ~(np.isnan(quantities) | np.isnan(targets))
    if both.sum() < max(MIN_ROWS, MIN_SHARE * len(targets)):
        return 0.0
    return abs(_correlation(_mean_ranks(quantities[both]), _mean_ranks(targets[both])))


def group_correlation(values: NDArray[np.uint64], targets: Floats) -> float:
    """Correlation of the targets' ranks with the mean rank of the *other* rows of the same value."""
    known = ~np.isnan(targets)
    groups, ranks = _ranked(values[known]), _mean_ranks(targets[known])
    sizes, sums = np.bincount(groups), np.bincount(groups, weights=ranks)
    is_shared = sizes[groups] > 1
    if is_shared.sum() < max(MIN_ROWS, MIN_SHARE * len(targets)):
        return 0.0
    groups, ranks = groups[is_shared], ranks[is_shared]
    guesses = (sums[groups] - ranks) / (sizes[groups] - 1)
    return max(0.0, _correlation(guesses, ranks))


def _correlation(first: Floats, second: Floats) -> float:
    """Pearson's; 0 where one of them does not vary."""
    varies = min(first.std(), second.std()) > 0
    return float(np.corrcoef(first, second)[0, 1]) if varies else 0.0


def _largest(groups: Ints, counts: Ints, num_groups: int | None = None) -> Ints:
    """`[groups]`: the largest count of each, 0 where it has none."""
    largest = np.zeros(int(groups.max(initial=-1)) + 1 if num_groups is None else num_groups, np.int64)
    np.maximum.at(largest, groups, counts)
    return largest


def _ranked(values: NDArray[np.generic]) -> Ints:
    """Distinct values as 0, 1, 2 and on, in their order."""
    ranks: Ints = np.unique(values, return_inverse=True)[1].astype(np.int64)
    return ranks


def _mean_ranks(values: Floats) -> Floats:
    """Ranks; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks
