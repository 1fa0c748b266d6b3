"""Comparison of two models: is the new one significantly not worse?"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Z_95_ONE_SIDED = 1.6449
"""The 95 % point of the standard normal distribution."""


class Comparison(NamedTuple):
    """How much accuracy the challenger may have lost."""

    difference: float
    """Accuracy of the champion less that of the challenger."""
    upper_bound: float
    """One-sided 95 % bound of the difference."""
    num_rows: int
    """Rows that both were tested on; 0 where the test rows differ."""

    def is_not_worse(self, margin: float) -> bool:
        """Whether a loss of more than `margin` is ruled out at 95 % (a test of non-inferiority)."""
        return self.upper_bound <= margin


def compare_paired(champion: NDArray[np.bool_], challenger: NDArray[np.bool_]) -> Comparison:
    """Both on the same rows: `[rows]`, whether each was right.

    Difference of paired proportions with its Wald interval (Agresti, Categorical Data Analysis, 3rd ed., eq. 11.2).
    """
    num_rows = len(champion)
    lost = float((champion & ~challenger).sum()) / num_rows
    won = float((challenger & ~champion).sum()) / num_rows
    difference = lost - won
    error = sqrt(max(lost + won - difference**2, 0.0) / num_rows)
    return Comparison(difference, difference + Z_95_ONE_SIDED * error, num_rows)


def compare_unpaired(champion: NDArray[np.bool_], challenger: NDArray[np.bool_]) -> Comparison:
    """On different rows: the Wald interval of two independent proportions (the same book, section 3.1.1)."""
    first, second = float(champion.mean()), float(challenger.mean())
    error = sqrt(first * (1 - first) / len(champion) + second * (1 - second) / len(challenger))
    return Comparison(first - second, first - second + Z_95_ONE_SIDED * error, 0)
