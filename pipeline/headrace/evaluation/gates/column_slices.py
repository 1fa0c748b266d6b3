"""The slices of a gate: the validation rows by the values of one column."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from headrace.data.table.encoding.decode import count_tokens, format_value, inputs_by_column, tokens_by_column
from headrace.errors import ConfigError, choices
from headrace.evaluation.gates.bounds import SLICE_COLUMNS, TARGET_COLUMNS
from headrace.evaluation.predictions import Predictions
from headrace.evaluation.slice_definitions import COLUMNS, slice_columns
from headrace.evaluation.slices import TERCILES, SliceKey, tercile_slices

MAX_VALUES = 10
"""Numbers of more values are cut into thirds."""
Bools = NDArray[np.bool_]


def list_columns(predictions: Predictions) -> list[str]:
    """Lists what these rows can be sliced by: columns by their names in the source."""
    spec, names = predictions.spec, list[str]()
    if spec.modality == "table":
        names += inputs_by_column(predictions.transform)
    names += SLICE_COLUMNS.get(spec.modality, ())
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
    spec = predictions.spec
    if spec.modality == "table" and column in inputs_by_column(predictions.transform):
        slices = _slice_table(predictions, column)
    elif column in SLICE_COLUMNS.get(spec.modality, ()):
        defined = slice_columns(COLUMNS[spec.modality](predictions.arrays, predictions.transform))
        slices = {key.value: rows for key, rows in defined.items() if key.column == column}
    else:
        slices = _slice_target(predictions)
    return {value: rows for value, rows in slices.items() if rows.any()}


def _slice_table(predictions: Predictions, name: str) -> dict[str, Bools]:
    transform, indices = predictions.transform, inputs_by_column(predictions.transform)[name]
    if name in tokens_by_column(transform):
        tokens = count_tokens(np.asarray(predictions.arrays.inputs), indices)
        return {**_cut_into_thirds(tokens), "missing": np.isnan(tokens)}
    index, kind = indices[0], transform["inputs"][indices[0]]["kind"]
    stored = np.asarray(predictions.arrays.inputs[:, index], np.float64)
    values = np.unique(stored[~np.isnan(stored)])
    if kind == "categorical" or len(values) <= MAX_VALUES:
        slices = {format_value(transform, index, float(value)): stored == value for value in values}
    else:
        slices = _cut_into_thirds(stored)
    return slices if kind == "categorical" else {**slices, "missing": np.isnan(stored)}


def _slice_target(predictions: Predictions) -> dict[str, Bools]:
    targets, classes = np.asarray(predictions.arrays.targets), predictions.spec.classes
    if predictions.spec.task == "regression":
        return _cut_into_thirds(targets.astype(np.float64))
    if predictions.spec.task == "multilabel":
        return {name: targets[:, index] > 0 for index, name in enumerate(classes)}
    return {name: cast("Bools", targets == index) for index, name in enumerate(classes)}


def _cut_into_thirds(values: NDArray[np.float64]) -> dict[str, Bools]:
    thirds = tercile_slices("", values)
    return {name: thirds[SliceKey("", name)] for name in TERCILES}
