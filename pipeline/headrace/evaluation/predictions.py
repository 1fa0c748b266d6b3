"""Predictions of a trained model's graph on the rows of a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.errors import DataError
from headrace.evaluation.metrics.classification import is_correct
from headrace.storage.arrays import Arrays, Inputs, open_arrays
from headrace.storage.bundle import Bundle
from headrace.storage.onnx_model import OnnxModel

Predict: TypeAlias = "Callable[[Inputs], NDArray[np.float32]]"
"""Stored inputs `[rows, *input_shape]` -> outputs `[rows, outputs]`."""


@dataclass(frozen=True)
class Predictions:
    """A model's outputs for every row of a split."""

    arrays: Arrays
    logits: NDArray[np.float32]
    """`[rows, classes]`; for regression, `[rows, 1]` or `[rows, targets]`, in the targets' units."""
    predict: Predict
    """Predicts other inputs with the same model."""
    spec: Spec
    transform: Json
    """Content of `transform.json`."""
    folder: Path | None = None
    """The folder of the split."""

    @property
    def predicted(self) -> NDArray[np.int64]:
        """`[rows]`: class indices; for multilabel, of the most probable label."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """`[rows]`: whether the predicted class is the target; classification only."""
        return is_correct(self.logits, self.arrays.targets)

    @property
    def values(self) -> NDArray[np.float64]:
        """`[rows]`: predicted values in the target's unit; regression of one target only."""
        return np.asarray(self.logits[:, 0], dtype=np.float64)

    @property
    def errors(self) -> NDArray[np.float64]:
        """`[rows]`: `values` minus the targets; regression of one target only."""
        return self.values - np.asarray(self.arrays.targets, dtype=np.float64)


def predict_split(bundle: Bundle, folder: Path, graph_path: Path | None = None) -> Predictions:
    """Predicts every row of a split with the bundle's graph, or another one of the same model.

    Raises DataError if there are no rows, or if outputs are NaN or infinite.
    """
    arrays = open_split(folder)
    predict = (OnnxModel(graph_path) if graph_path else bundle.graph()).predict
    logits = predict(arrays.inputs)
    if not np.isfinite(logits).all():
        raise DataError(
            f"{bundle.folder}: the model outputs NaN or infinity; lower train.learning_rate and train again"
        )
    return Predictions(arrays, logits, predict, bundle.spec, bundle.card.transform, folder)


def open_split(folder: Path) -> Arrays:
    """Opens the rows of a split; raises DataError if there are none."""
    arrays = open_arrays(folder)
    if len(arrays) == 0:
        raise DataError(f"{folder}: no rows; give the split a larger fraction in params.yaml: split.fractions")
    return arrays
