"""Balanced sampling: each epoch draws all classes equally often, and the rows of a class in turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FIRST_STREAM = 2**16
"""Lower stream numbers are used elsewhere (data/row_random.py)."""
ROWS_PER_DRAW = 4096
"""Permutations of a small class are drawn in blocks of this size: one generator per permutation would be slow."""


def draw_balanced_rows(labels: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Returns as many rows as there are labels, class after class: a pure function of (seed, epoch).

    Each class gets an equal part of the epoch; the remainder rotates over the classes from epoch to epoch. The rows of
    a class come from an endless sequence of permutations, which the epochs cut into pieces, so that no row repeats
    before all others of its class have been drawn.
    """
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    rows_per_class, remainder = divmod(len(labels), len(classes))
    drawn = []
    for index, rows in enumerate(classes):
        first, end = (
            count * rows_per_class + _count_turns(count * remainder, index, len(classes))
            for count in (epoch, epoch + 1)
        )  # rows of the class that were drawn before this epoch, and after it
        drawn.append(rows[_draw_cycled(len(rows), first, end, seed=seed, index=index)])
    return np.concatenate(drawn)


def _count_turns(num_items: int, index: int, num_takers: int) -> int:
    """Returns how many of the items, dealt in turn, the taker at `index` (from 0) gets."""
    return (num_items + num_takers - 1 - index) // num_takers


def _draw_cycled(num_rows: int, first: int, end: int, *, seed: int, index: int) -> NDArray[np.int64]:
    """Returns elements `first` to `end` of the endless sequence of permutations of `num_rows` for (seed, index)."""
    cycles = -(-ROWS_PER_DRAW // num_rows)
    size = cycles * num_rows
    drawn = []
    for draw in range(first // size, -(-end // size)):
        # seeds are below 2**32, so these keys differ from those of the epochs' orders
        generator = np.random.Generator(np.random.Philox(key=[seed + ((FIRST_STREAM + index) << 32), draw]))
        drawn.append(generator.permuted(np.tile(np.arange(num_rows), (cycles, 1)), axis=1).ravel())
    before = first // size * size
    return np.concatenate([np.empty(0, np.int64), *drawn])[first - before : end - before]
