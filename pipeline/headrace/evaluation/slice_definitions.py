"""SLICE_DEFINITIONS: which slices of its stored inputs each modality is evaluated on."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.encoding.decode import format_value, inputs_by_column
from headrace.evaluation.slices import TERCILES, mean_by_row, tercile_slices
from headrace.storage.arrays import Arrays
from headrace.storage.ragged import Ragged

MIN_ROWS = 20
"""Rows that a categorical value needs to become a slice."""
MAX_CATEGORICAL_SLICES = 20
"""Slices of categorical values, over all columns."""
MAX_NUMERIC_COLUMNS = 5
"""Numeric columns that are sliced: the first in the data's order."""


def slice_images(arrays: Arrays, transform: Json) -> dict[str, NDArray[np.bool_]]:
    """Thirds by brightness."""
    del transform
    return tercile_slices("brightness", mean_by_row(arrays.inputs[:]))


def slice_texts(arrays: Arrays, transform: Json) -> dict[str, NDArray[np.bool_]]:
    """Thirds by length in tokens."""
    del transform
    return tercile_slices("tokens", cast("Ragged", arrays.inputs).lengths.astype(float))


def slice_tables(arrays: Arrays, transform: Json) -> dict[str, NDArray[np.bool_]]:
    """Thirds of the first numeric columns (without missing values), and the commonest values of categorical ones."""
    slices: dict[str, NDArray[np.bool_]] = {}
    first_inputs = {name: indices[0] for name, indices in inputs_by_column(transform).items()}  # of a date: its days
    kinds = {name: transform["inputs"][index]["kind"] for name, index in first_inputs.items()}
    for name in [name for name, kind in kinds.items() if kind == "numeric"][:MAX_NUMERIC_COLUMNS]:
        values = np.asarray(arrays.inputs[:, first_inputs[name]], dtype=np.float64)
        if np.unique(values[~np.isnan(values)]).size >= len(TERCILES):
            slices |= tercile_slices(name, values)
    common_values = [
        (-int(count), name, float(value))
        for name in [name for name, kind in kinds.items() if kind == "categorical"]
        for value, count in zip(*np.unique(arrays.inputs[:, first_inputs[name]], return_counts=True), strict=True)
        if count >= MIN_ROWS
    ]
    for _, name, value in sorted(common_values)[:MAX_CATEGORICAL_SLICES]:
        index = first_inputs[name]
        slices[f"{name}={format_value(transform, index, value)}"] = np.asarray(arrays.inputs[:, index] == value)
    return slices


SLICE_DEFINITIONS: dict[str, Callable[[Arrays, Json], dict[str, NDArray[np.bool_]]]] = {
    "image": slice_images,
    "text": slice_texts,
    "table": slice_tables,
}
"""Modality -> rows and `transform.json` -> slices."""
