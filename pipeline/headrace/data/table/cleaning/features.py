"""Cheap features of raw rows, used to predict labels and find label errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.cleaning.cells import TypedColumn

MAX_FEATURES = 64
MAX_QUANTITIES = 40
"""Numeric and date columns; the remaining features are categories."""
CLIP = 5.0
"""Maximum distance from the median, in spreads."""


def compute_features(cells: dict[str, TypedColumn], survey: Json, num_rows: int) -> NDArray[np.float32]:
    """`[rows, features]`: distances from the median in spreads (0: missing), frequent categories as 0 or 1."""
    facts = survey["columns"]
    features = [_scaled(column, facts[name]) for name, column in cells.items() if column.quantities is not None]
    features = features[:MAX_QUANTITIES]
    for name, column in cells.items():
        if column.kind == "categorical":
            frequent = np.array(facts[name]["frequent"], np.uint64)
            features += [(column.hashes == value).astype(np.float32) for value in frequent]
    return np.stack(features[:MAX_FEATURES], axis=1) if features else np.zeros((num_rows, 0), np.float32)


def _scaled(cells: TypedColumn, facts: Json) -> NDArray[np.float32]:
    if cells.quantities is None or facts["median"] is None:
        return np.zeros(len(cells.raw), np.float32)
    with np.errstate(over="ignore"):
        scaled = np.clip((cells.quantities - facts["median"]) / facts["spread"], -CLIP, CLIP)
    filled: NDArray[np.float32] = np.nan_to_num(scaled).astype(np.float32)
    return filled
