"""Comparison of two models: a non-inferiority test of the challenger against the champion."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.errors import DataError
from headrace.storage.parquet import translate_parquet_errors

Z_95_ONE_SIDED = 1.6449
"""The 95 % point of the standard normal distribution."""
Z_95_TWO_SIDED = 1.96


Compare: TypeAlias = "Callable[[NDArray[Any], NDArray[Any]], Comparison]"
"""Outcomes of champion and challenger, `[rows]` each."""


class Comparison(NamedTuple):
    """How much worse the challenger is, and at most may be."""

    difference: float
    """The champion's accuracy minus the challenger's. For regression, the challenger's mean absolute error minus the
    champion's, as a fraction of the champion's."""
    upper_bound: float
    """One-sided 95 % confidence bound of the difference."""
    num_rows: int
    """Rows that both were tested on; 0 if the test rows differ."""

    def is_not_worse(self, margin: float) -> bool:
        """Whether a loss of more than `margin` is ruled out at 95 % confidence."""
        return self.upper_bound <= margin

    def judge(self, margin: float) -> Literal["not worse", "worse", "too few rows"]:
        """The verdict in words: `too few rows` if neither a loss of more than `margin` nor its absence is shown."""
        if self.is_not_worse(margin):
            return "not worse"
        return "worse" if self.difference > margin else "too few rows"


def compare_paired(champion: NDArray[np.bool_], challenger: NDArray[np.bool_]) -> Comparison:
    """Compares accuracies on the same rows; `[rows]` says whether each prediction was correct.

    Difference of paired proportions with its Wald interval (Agresti, Categorical Data Analysis, 3rd ed., eq. 11.2).
    """
    num_rows = len(champion)
    lost = float((champion & ~challenger).sum()) / num_rows
    won = float((challenger & ~champion).sum()) / num_rows
    difference = lost - won
    error = sqrt(max(lost + won - difference**2, 0.0) / num_rows)
    return Comparison(difference, difference + Z_95_ONE_SIDED * error, num_rows)


def difference_interval(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean of `first - second` over the same rows, and its 95 % interval by the normal approximation.

    The ends coincide where the two never differ; for a single row they are infinite.
    """
    differences = first - second
    mean, error = float(differences.mean()), _standard_error(differences)
    return mean, mean - Z_95_TWO_SIDED * error, mean + Z_95_TWO_SIDED * error


def proportion_difference_interval(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Difference `first - second` of the shares of true rows, paired by row, and its 95 % interval.

    The interval counts one more row of either kind that differs, so that it holds where few or no rows differ, and
    that of the mean is far too narrow: Bonett and Price (2012), Adjusted Wald Confidence Interval for a Difference of
    Binomial Proportions Based on Paired Data, J. of Educational and Behavioral Statistics 37.
    """
    num_rows = len(first)
    won, lost = (float(part.sum()) for part in (first & ~second, second & ~first))
    center = (won - lost) / (num_rows + 2)
    variance = (won + lost + 2) / (num_rows + 2) - center**2
    slack = Z_95_TWO_SIDED * sqrt(variance / (num_rows + 2))
    return (won - lost) / num_rows, max(center - slack, -1.0), min(center + slack, 1.0)


def compare_unpaired(champion: NDArray[np.bool_], challenger: NDArray[np.bool_]) -> Comparison:
    """Compares accuracies on different rows: Wald interval of two independent proportions (ibid., section 3.1.1)."""
    first, second = float(champion.mean()), float(challenger.mean())
    error = sqrt(first * (1 - first) / len(champion) + second * (1 - second) / len(challenger))
    return Comparison(first - second, first - second + Z_95_ONE_SIDED * error, 0)


def compare_errors_paired(champion: NDArray[np.float64], challenger: NDArray[np.float64]) -> Comparison:
    """Compares errors `[rows]` on the same rows, in the target's unit.

    Mean difference of the absolute errors, by the normal approximation, as a fraction of the champion's mean absolute
    error, so that one margin fits any unit; Diebold and Mariano (1995), Comparing Predictive Accuracy, section 1, for
    errors that are independent between rows.
    """
    differences = np.abs(challenger) - np.abs(champion)
    error = _standard_error(differences)
    return _relative(float(differences.mean()), error, float(np.abs(champion).mean()), len(champion))


def compare_errors_unpaired(champion: NDArray[np.float64], challenger: NDArray[np.float64]) -> Comparison:
    """Compares errors on different rows: two independent means (Welch 1947, with the normal quantile)."""
    first, second = np.abs(champion), np.abs(challenger)
    error = sqrt(_standard_error(first) ** 2 + _standard_error(second) ** 2)
    return _relative(float(second.mean() - first.mean()), error, float(first.mean()), 0)


def _standard_error(values: NDArray[np.float64]) -> float:
    """Standard error of the mean; infinite for a single row."""
    if len(values) < 2:  # noqa: PLR2004 a single value has no spread
        return float("inf")
    return float(values.std(ddof=1)) / sqrt(len(values))


def _relative(difference: float, error: float, scale: float, num_rows: int) -> Comparison:
    """The comparison as a fraction of `scale`; if that is 0, any error is infinitely worse."""
    if scale == 0:
        bound = float("inf") if difference > 0 else 0.0
        return Comparison(bound, bound, num_rows)
    return Comparison(difference / scale, (difference + Z_95_ONE_SIDED * error) / scale, num_rows)


COMPARISONS: dict[str, tuple[Compare, Compare]] = {
    "correct": (compare_paired, compare_unpaired),
    "wrong_share": (compare_errors_paired, compare_errors_unpaired),
    "error": (compare_errors_paired, compare_errors_unpaired),
}
"""Outcome, a column of predictions -> how to compare it on the same rows, and on different rows."""


def compare_outcomes(champion: pa.Table, challenger: pa.Table) -> Comparison | None:
    """Compares outcomes by `row_id`, on their common rows if there are any; None for different tasks."""
    column = next(name for name in COMPARISONS if name in challenger.column_names)
    if column not in champion.column_names:
        return None
    compare_same_rows, compare_different_rows = COMPARISONS[column]
    champion, challenger = (table.select(["row_id", column]) for table in (champion, challenger))
    common = champion.rename_columns(["row_id", "champion"]).join(challenger, "row_id", join_type="inner")
    if common.num_rows:
        return compare_same_rows(common["champion"].to_numpy(), common[column].to_numpy())
    return compare_different_rows(champion[column].to_numpy(), challenger[column].to_numpy())


def read_outcomes(path: Path) -> pa.Table:
    """Reads `row_id` and the outcome of each row from a table of predictions; raises DataError if it has none."""
    with translate_parquet_errors(path):
        table = pq.read_table(path)
    columns = [name for name in COMPARISONS if name in table.column_names]
    if not columns or "row_id" not in table.column_names:
        raise DataError(f"{path}: has none of the columns {list(COMPARISONS)}; run: dvc repro --force test")
    return table.select(["row_id", columns[0]])
