"""The slices of a gate: the validation rows by the values of one column."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from headrace.data.table.encoding.decode import inputs_by_column
from headrace.errors import ConfigError, choices
from headrace.evaluation.gates.bounds import SLICE_COLUMNS, TARGET_COLUMNS
from headrace.evaluation.predictions import Predictions
from headrace.evaluation.slice_definitions import (
    COLUMNS,
    decode_column,
    list_other_columns,
    read_other_columns,
    slice_values,
)

MAX_SLICES = 200
"""Values of a column that are checked: the commonest."""
Bools = NDArray[np.bool_]


def list_columns(predictions: Predictions) -> list[str]:
    """Lists what these rows can be sliced by: columns by their names in the source."""
    spec, names = predictions.spec, list[str]()
    if spec.modality == "table":
        names += inputs_by_column(predictions.transform)
    names += [*SLICE_COLUMNS.get(spec.modality, ()), *list_other_columns(predictions.folder)]
    if not spec.targets:
        names += [TARGET_COLUMNS[spec.task], *([spec.target] if spec.target else [])]
    return list(dict.fromkeys(names))


def slice_by_column(predictions: Predictions, column: str) -> dict[str, Bools]:
    """Returns value -> `[rows]`, for the values that occur; raises ConfigError for a column that is not there."""
    names = list_columns(predictions)
    if column not in names:
        raise ConfigError(
            f"params.yaml: validate.gate.slices: column {column!r}: not a column of the normalized rows; "
            f"{choices(column, names)}"
        )
    values = _read_column(predictions, column)
    slices = _slice_target(predictions) if values is None else _slice(values)
    return {value: rows for value, rows in slices.items() if rows.any()}


def _read_column(predictions: Predictions, column: str) -> NDArray[np.float64] | NDArray[np.object_] | None:
    """`[rows]`: numbers or texts; None for the target."""
    spec, arrays, transform = predictions.spec, predictions.arrays, predictions.transform
    if spec.modality == "table" and column in inputs_by_column(transform):
        return decode_column(arrays, transform, column)
    if column in SLICE_COLUMNS.get(spec.modality, ()):
        return COLUMNS[spec.modality](arrays, transform)[column]
    if column in list_other_columns(predictions.folder):
        return read_other_columns(predictions.folder, [column])[column]
    return None


def _slice_target(predictions: Predictions) -> dict[str, Bools]:
    targets, classes = np.asarray(predictions.arrays.targets), predictions.spec.classes
    if predictions.spec.task == "regression":
        return _slice(targets.astype(np.float64))
    if predictions.spec.task == "multilabel":
        return {name: targets[:, index] > 0 for index, name in enumerate(classes)}
    return {name: cast("Bools", targets == index) for index, name in enumerate(classes)}


def _slice(values: NDArray[np.float64] | NDArray[np.object_]) -> dict[str, Bools]:
    return slice_values(values, min_rows=1, max_values=MAX_SLICES)
