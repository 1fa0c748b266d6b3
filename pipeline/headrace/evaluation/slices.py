"""Slices: groups of rows on which a good overall metric may hide a bad model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.metrics.classification import wilson_interval
from headrace.evaluation.metrics.regression import rmse_interval, root_mean_square

TERCILES = ("low", "middle", "high")
ROWS_PER_MEAN = 1024


class SliceKey(NamedTuple):
    """What the rows of a slice have in common."""

    column: str
    """A column of the source, the target, or a measure such as brightness."""
    value: str

    def __str__(self) -> str:
        return f"{self.column}={self.value}"


Slices: TypeAlias = Mapping[SliceKey, NDArray[np.bool_]]
"""Slice -> `[rows]`: which rows are in it."""


class Slice(NamedTuple):
    """The accuracy on a slice, with its 95 % interval."""

    column: str
    value: str
    rows: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float


class ErrorSlice(NamedTuple):
    """The error of a regression on a slice, with its 95 % interval, in the target's unit."""

    column: str
    value: str
    rows: int
    rmse: float
    rmse_low: float
    rmse_high: float


def class_slices(targets: NDArray[np.int64], classes: list[str]) -> dict[SliceKey, NDArray[np.bool_]]:
    """One slice per class: `class=<name>` -> `[rows]`."""
    return {SliceKey("class", name): targets == index for index, name in enumerate(classes)}


def tercile_slices(name: str, values: NDArray[np.float64]) -> dict[SliceKey, NDArray[np.bool_]]:
    """The lower, middle and upper third of the rows by a value: `<name>=low` etc. -> `[rows]`; NaN is in none."""
    thirds = np.searchsorted(np.nanquantile(values, [1 / 3, 2 / 3]), values)
    is_known = ~np.isnan(values)
    return {SliceKey(name, tercile): is_known & (thirds == index) for index, tercile in enumerate(TERCILES)}


def mean_by_row(inputs: NDArray[np.uint8]) -> NDArray[np.float64]:
    """`[rows]`: mean of each row's stored values; for images, the brightness in levels of 0 to 255."""
    starts = range(0, len(inputs), ROWS_PER_MEAN)
    parts = [inputs[start : start + ROWS_PER_MEAN] for start in starts]
    return np.concatenate([part.reshape(len(part), -1).mean(axis=1) for part in parts])


def measure_losses(losses: NDArray[np.float64], metric: str, *, seed: int) -> tuple[float, float, float]:
    """A metric and its 95 % interval from `EvaluationResult.row_losses` of some rows: accuracy or rmse."""
    if metric == "rmse":
        errors = np.sqrt(losses)
        return root_mean_square(errors), *rmse_interval(errors, seed=seed)
    num_correct = float((1 - losses).sum())
    return num_correct / len(losses), *wilson_interval(num_correct, len(losses))


def measure_slices(correct: NDArray[np.bool_] | NDArray[np.float64], slices: Slices) -> list[Slice]:
    """The accuracy of every non-empty slice, the worst first.

    `correct` `[rows]` says whether each row is correct, or which fraction of its labels is.
    """
    measured = [_measure_slice(key, correct[rows]) for key, rows in slices.items() if rows.any()]
    return sorted(measured, key=lambda part: (part.accuracy, part.column, part.value))


def measure_error_slices(errors: NDArray[np.float64], slices: Slices, *, seed: int) -> list[ErrorSlice]:
    """The error of every non-empty slice, the worst first; `seed` is that of the bootstrap."""
    parts = {key: errors[rows] for key, rows in slices.items() if rows.any()}
    measured = [
        ErrorSlice(*key, len(part), root_mean_square(part), *rmse_interval(part, seed=seed))
        for key, part in parts.items()
    ]
    return sorted(measured, key=lambda part: (-part.rmse, part.column, part.value))


def _measure_slice(key: SliceKey, correct: NDArray[np.bool_] | NDArray[np.float64]) -> Slice:
    num_correct, num_rows = float(correct.sum()), len(correct)
    return Slice(*key, num_rows, num_correct / num_rows, *wilson_interval(num_correct, num_rows))
