"""Judging: a bundle's answers on the rows of one split, by the graph that is served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.errors import DataError
from headrace.storage.arrays import Arrays, Inputs, open_arrays
from headrace.storage.bundle import Bundle

Predict: TypeAlias = "Callable[[Inputs], NDArray[np.float32]]"
"""Stored inputs `[rows, *input_shape]` -> outputs `[rows, outputs]`."""


@dataclass(frozen=True)
class Predictions:
    """What a model said of every row."""

    arrays: Arrays
    logits: NDArray[np.float32]
    """`[rows, classes]`; regression: `[rows, 1]`, or of several `[rows, targets]`, in the targets' units."""
    predict: Predict
    """To ask it again, of other inputs."""

    @property
    def predicted(self) -> NDArray[np.int64]:
        """`[rows]`: class indices; of several labels a row the surest."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """`[rows]`; of classes only."""
        return np.asarray(self.predicted == self.arrays.targets)

    @property
    def values(self) -> NDArray[np.float64]:
        """`[rows]`: what a regression of one target predicts, in its unit."""
        return np.asarray(self.logits[:, 0], dtype=np.float64)

    @property
    def errors(self) -> NDArray[np.float64]:
        """`[rows]`: `values` less the targets; of regression of one target only."""
        return self.values - np.asarray(self.arrays.targets, dtype=np.float64)


def answers(bundle: Bundle, folder: Path) -> Predictions:
    """Predicts every row of a split's folder; raises DataError when it has none, or the model says NaN."""
    arrays = open_arrays(folder)
    if len(arrays) == 0:
        raise DataError(f"{folder}: holds no rows; give the split a larger share in params.yaml: split.fractions")
    predict = bundle.graph().predict
    logits = predict(arrays.inputs)
    if not np.isfinite(logits).all():
        raise DataError(f"{bundle.folder}: the model answers with NaN or infinity; train again, more slowly")
    return Predictions(arrays, logits, predict)
