"""Leakage scores: how well one column alone predicts the target, as a column filled in after the fact would."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_ROWS = 5
"""Rows required per class, and in total."""
MAX_CLASSES = 20
"""Only the most frequent classes are scored."""
MIN_FRACTION = 0.5
"""Fraction of rows that must have both values for a correlation."""


def leave_one_out_accuracy(values: NDArray[np.uint64], labels: Ints) -> float:
    """Balanced accuracy of predicting a row's class as the most frequent class among *other* rows with its value.

    `values` are hashes and `labels` class codes, both `[rows]`. Because the row itself is left out, an id column, with
    all values distinct, scores 0. Classes of fewer than MIN_ROWS rows are ignored.
    """
    width = int(labels.max(initial=0)) + 1
    pairs, counts = np.unique(_ranked(values) * width + labels, return_counts=True)
    groups, pair_labels = np.divmod(pairs, width)
    largest = _largest(groups, counts)
    is_largest = counts == largest[groups]
    second = _largest(groups[~is_largest], counts[~is_largest], len(largest))
    is_tied = np.bincount(groups[is_largest], minlength=len(largest)) > 1
    is_correct = is_largest & ~is_tied[groups] & (counts - 1 > second[groups])
    sizes = np.bincount(labels, minlength=width)
    num_correct = np.bincount(pair_labels, weights=counts * is_correct, minlength=width)
    is_scored = sizes >= MIN_ROWS
    return float((num_correct[is_scored] / sizes[is_scored]).mean()) if is_scored.sum() > 1 else 0.0


def interval_score(quantities: Floats, labels: Ints) -> float:
    """Mean over classes of the best balanced accuracy with which one interval of values separates the class.

    An interval has one or two thresholds; missing values sort after the largest. For two classes the score is at least
    that of the best single threshold ((1 + J) / 2 for Youden's index J).
    """
    order = np.argsort(quantities, kind="stable")  # NaN come last
    ranked, ordered = _ranked(np.where(np.isnan(quantities), np.inf, quantities))[order], labels[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # cuts lie only between distinct values
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
    """|Spearman's rho| over the rows that have both values; 0 if there are too few."""
    both = ~(np.isnan(quantities) | np.isnan(targets))
    if both.sum() < max(MIN_ROWS, MIN_FRACTION * len(targets)):
        return 0.0
    return abs(_correlation(_mean_ranks(quantities[both]), _mean_ranks(targets[both])))


def group_correlation(values: NDArray[np.uint64], targets: Floats) -> float:
    """Correlation of each target's rank with the mean rank of the *other* rows with the same value."""
    has_target = ~np.isnan(targets)
    groups, ranks = _ranked(values[has_target]), _mean_ranks(targets[has_target])
    sizes, sums = np.bincount(groups), np.bincount(groups, weights=ranks)
    is_shared = sizes[groups] > 1
    if is_shared.sum() < max(MIN_ROWS, MIN_FRACTION * len(targets)):
        return 0.0
    groups, ranks = groups[is_shared], ranks[is_shared]
    predictions = (sums[groups] - ranks) / (sizes[groups] - 1)
    return max(0.0, _correlation(predictions, ranks))


def _correlation(first: Floats, second: Floats) -> float:
    """Pearson correlation; 0 if either is constant."""
    varies = min(first.std(), second.std()) > 0
    return float(np.corrcoef(first, second)[0, 1]) if varies else 0.0


def _largest(groups: Ints, counts: Ints, num_groups: int | None = None) -> Ints:
    """`[groups]`: the largest count of each group, 0 if it has none."""
    largest = np.zeros(int(groups.max(initial=-1)) + 1 if num_groups is None else num_groups, np.int64)
    np.maximum.at(largest, groups, counts)
    return largest


def _ranked(values: NDArray[np.generic]) -> Ints:
    """Replaces values by the indices of their sorted distinct values."""
    ranks: Ints = np.unique(values, return_inverse=True)[1].astype(np.int64)
    return ranks


def _mean_ranks(values: Floats) -> Floats:
    """Ranks from 1 on; equal values share their mean rank."""
    _, indices, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[indices]
    return ranks
