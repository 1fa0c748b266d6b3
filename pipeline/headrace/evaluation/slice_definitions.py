"""Groups: the parts of the rows that each modality is looked at by. GROUPS: modality -> slices of its stored inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.encoding.decode import column_places, value_name
from headrace.evaluation.slices import TERCILES, mean_input, tercile_slices

if TYPE_CHECKING:
    from headrace.storage.arrays import Arrays
    from headrace.storage.ragged import Ragged

MIN_ROWS, MAX_SLICES, MAX_NUMERIC = 20, 20, 5
"""Of a categorical value to be looked at; of all such values; of numeric columns, in the data's order."""


def image_groups(arrays: Arrays, transform: Json) -> dict[str, NDArray[np.bool_]]:
    """Thirds by brightness."""
    del transform
    return tercile_slices("brightness", mean_input(arrays.inputs[:]))


def text_groups(arrays: Arrays, transform: Json) -> dict[str, NDArray[np.bool_]]:
    """Thirds by length in tokens."""
    del transform
    return tercile_slices("tokens", cast("Ragged", arrays.inputs).lengths.astype(float))


def table_groups(arrays: Arrays, transform: Json) -> dict[str, NDArray[np.bool_]]:
    """The commonest values of categorical columns, and thirds of the first numeric ones (rows without one aside)."""
    groups: dict[str, NDArray[np.bool_]] = {}
    first = {name: places[0] for name, places in column_places(transform).items()}  # of a date: its days
    kinds = {name: transform["inputs"][place]["kind"] for name, place in first.items()}
    for name in [name for name, kind in kinds.items() if kind == "numeric"][:MAX_NUMERIC]:
        groups |= _known_terciles(name, np.asarray(arrays.inputs[:, first[name]], dtype=np.float64))
    found = [
        (-int(count), name, float(value))
        for name in [name for name, kind in kinds.items() if kind == "categorical"]
        for value, count in zip(*np.unique(arrays.inputs[:, first[name]], return_counts=True), strict=True)
        if count >= MIN_ROWS
    ]
    for _, name, value in sorted(found)[:MAX_SLICES]:
        place = first[name]
        groups[f"{name}={value_name(transform, place, value)}"] = np.asarray(arrays.inputs[:, place] == value)
    return groups


def _known_terciles(name: str, values: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:

    known = values[~np.isnan(values)]
    return tercile_slices(name, values) if np.unique(known).size >= len(TERCILES) else {}


GROUPS: dict[str, Callable[[Arrays, Json], dict[str, NDArray[np.bool_]]]] = {
    "image": image_groups,
    "text": text_groups,
    "table": table_groups,
}
