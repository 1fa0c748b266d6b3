"""Cheap features of raw rows, that labels are guessed from to find wrong ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json

if TYPE_CHECKING:
    from headrace.data.table.cleaning.cells import TypedColumn

MAX_FEATURES = 64
MAX_QUANTITIES = 40
"""The first ones; the rest of the room is for categories."""
CLIP = 5.0
"""Spreads from the median: farther is just far."""


def features(cells: dict[str, TypedColumn], survey: Json, num_rows: int) -> NDArray[np.float32]:
    """`[rows, features]`: numbers by their spreads from the median (0: missing), frequent categories as 0 or 1."""
    made = [_scaled(one, survey["columns"][name]) for name, one in cells.items() if one.quantities is not None]
    made = made[:MAX_QUANTITIES]
    for name, one in cells.items():
        if one.kind == "categorical":
            frequent = np.array(survey["columns"][name]["frequent"], np.uint64)
            made += [(one.codes == code).astype(np.float32) for code in frequent]
    return np.stack(made[:MAX_FEATURES], axis=1) if made else np.zeros((num_rows, 0), np.float32)


def _scaled(cells: TypedColumn, facts: Json) -> NDArray[np.float32]:

    if cells.quantities is None or facts["median"] is None:
        return np.zeros(len(cells.raw), np.float32)
    with np.errstate(over="ignore"):
        scaled = np.clip((cells.quantities - facts["median"]) / facts["spread"], -CLIP, CLIP)
    made: NDArray[np.float32] = np.nan_to_num(scaled).astype(np.float32)
    return made
