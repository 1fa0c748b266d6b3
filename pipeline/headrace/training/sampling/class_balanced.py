"""Balanced sampling: every epoch draws the classes equally often, and a class's rows in turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FIRST_STREAM = 2**16
"""Streams of numbers before it are others' (modalities/draws.py)."""
ROWS_PER_DRAW = 4096
"""Permutations of a small class are drawn so many rows at a time: a generator a permutation would be slow."""


def balanced_rows(labels: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """As many rows as there are labels, class after class: a pure function of (seed, epoch).

    Each class has its equal share of the epoch; what is left over goes round the classes from epoch to epoch. A
    class's rows come from an endless row of permutations of all of them, which the epochs cut into pieces: none comes
    again before all others have come.
    """
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    share, left = divmod(len(labels), len(classes))
    found = []
    for place, rows in enumerate(classes):
        first, end = (
            count * share + _rounds(count * left, place, len(classes)) for count in (epoch, epoch + 1)
        )  # what the class has had before this epoch, and after it
        found.append(rows[_cycled(len(rows), first, end, seed=seed, place=place)])
    return np.concatenate(found)


def _rounds(given: int, place: int, num_places: int) -> int:
    """How many of `given` things, handed out in turn, the one at `place` (from 0) gets."""
    return (given + num_places - 1 - place) // num_places


def _cycled(num_rows: int, first: int, end: int, *, seed: int, place: int) -> NDArray[np.int64]:
    """Places `first` to `end` of the endless row of permutations of `num_rows` rows that (seed, place) has."""
    cycles = -(-ROWS_PER_DRAW // num_rows)
    size = cycles * num_rows
    drawn = []
    for draw in range(first // size, -(-end // size)):
        # seeds are below 2**32: no key is that of an epoch's order
        generator = np.random.Generator(np.random.Philox(key=[seed + ((FIRST_STREAM + place) << 32), draw]))
        drawn.append(generator.permuted(np.tile(np.arange(num_rows), (cycles, 1)), axis=1).ravel())
    before = first // size * size
    return np.concatenate([np.empty(0, np.int64), *drawn])[first - before : end - before]
