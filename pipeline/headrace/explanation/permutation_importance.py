"""Permutation importance: how much worse a table's model is when a column's values belong to other rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.data.table.encoding.decode import inputs_by_column
from headrace.evaluation.comparison import difference_interval
from headrace.evaluation.evaluators import find_cutoff, find_evaluator
from headrace.evaluation.predictions import Predict
from headrace.explanation.row_selection import sample_rows
from headrace.explanation.subject import AnsweredSplit, Subject


class Importance(NamedTuple):
    """How much quality a column is worth."""

    column: str
    importance: float
    """Decrease of the quality, in its unit."""
    low: float
    """Ends of the 95 % interval over the rows."""
    high: float


def measure_importances(
    subject: Subject, split: AnsweredSplit, *, num_rows: int, num_repeats: int, seed: int
) -> list[Importance]:
    """Measures the columns of a table on `num_rows` random rows; images, texts: none."""
    spec, predictions = subject.spec, split.predictions
    if spec.modality != "table":
        return []
    rows = sample_rows(len(predictions.arrays), num_rows, seed=seed)
    targets, cutoff = predictions.arrays.targets[rows], find_cutoff(subject.calibration)
    quality_by_row = find_evaluator(spec).quality_by_row
    return measure_importance(
        predictions.predict,
        predictions.arrays.inputs[rows],
        inputs_by_column(predictions.transform),
        quality_by_row=lambda outputs: quality_by_row(outputs, targets, cutoff),
        num_repeats=num_repeats,
        seed=seed,
    )


def measure_importance(
    predict: Predict,
    inputs: NDArray[Any],
    columns: dict[str, list[int]],
    *,
    quality_by_row: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    num_repeats: int,
    seed: int,
) -> list[Importance]:
    """Returns the columns, the most important first; none for fewer than two rows.

    Breiman (2001), Random Forests, section 10; Fisher et al. (2019), All Models are Wrong, equation 3. The decrease
    of a row's quality is the mean over the repeats.

    Args:
        predict: predicts rows.
        inputs: `[rows, inputs]`, as stored.
        columns: column of the source -> its inputs, which are permuted together.
        quality_by_row: outputs `[rows, outputs]` -> `[rows]`.
        num_repeats: number of permutations of each column.
        seed: of the permutations, which all columns share.
    """
    if len(inputs) < 2:  # noqa: PLR2004 a single row cannot be permuted
        return []
    rng = np.random.default_rng(seed)
    permutations = [rng.permutation(len(inputs)) for _ in range(num_repeats)]
    before = quality_by_row(predict(inputs))
    importances = []
    for column, indices in columns.items():
        repeated = np.tile(inputs, (num_repeats, 1))
        repeated[:, indices] = inputs[np.concatenate(permutations)][:, indices]
        after = [quality_by_row(outputs) for outputs in np.split(predict(repeated), num_repeats)]
        importances.append(Importance(column, *difference_interval(before, np.mean(after, axis=0))))
    return sorted(importances, key=lambda each: (-each.importance, each.column))
