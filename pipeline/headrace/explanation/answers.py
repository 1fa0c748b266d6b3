"""Answers of each task as an explanation takes them: one output a row, and what is true of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.contracts import Json, Spec
from headrace.explanation.telling import NO_LABEL, Said

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headrace.storage.arrays import Arrays

    Floats = NDArray[np.float64]

GIVEN_ABOVE = 0.5
"""Probability of a label, before calibration."""


def said_of(spec: Spec, arrays: Arrays, outputs: NDArray[np.float32], probabilities: Floats | None) -> Said:
    """What the model answered to every row.

    `probabilities`: of classes or labels, as `outputs`; None for values. Of several labels the answer is the surest
    one, if it is given at all; what is true is told where it differs. Of several values it is each in turn, by row.
    """
    import numpy as np

    rows = np.arange(len(outputs))
    if probabilities is None:
        asked = rows % outputs.shape[1]
        values, targets = outputs[rows, asked].astype(np.float64), arrays.targets
        if not spec.targets:
            return Said(arrays.row_ids, targets, values, None, asked)
        told = [_named(values, spec, asked), _named(targets[rows, asked], spec, asked)]
        return Said(arrays.row_ids, told[1], told[0], None, asked)
    asked = np.asarray(outputs.argmax(axis=1), np.int64)
    confidence = probabilities[rows, asked]
    if spec.task == "classification":
        return Said(arrays.row_ids, arrays.targets, asked, confidence, asked)
    names, is_given = np.array(spec.classes, object), confidence > GIVEN_ABOVE
    predicted = np.where(is_given, names[asked], NO_LABEL)
    actual = np.array([", ".join(names[row > 0]) or NO_LABEL for row in arrays.targets], object)
    is_right = np.where(is_given, arrays.targets[rows, asked] > 0, actual == NO_LABEL)
    confidence = np.where(is_given, confidence, 1 - confidence)
    return Said(arrays.row_ids, np.where(is_right, predicted, actual), predicted, confidence, asked)


def _named(values: NDArray[Any], spec: Spec, asked: NDArray[np.int64]) -> NDArray[np.object_]:
    import numpy as np

    return np.array([f"{spec.targets[at]} {value:.6g}" for value, at in zip(values, asked, strict=True)], object)


def values_of(
    arrays: Arrays, outputs: NDArray[np.float32], asked: NDArray[np.int64], scale: Json
) -> tuple[Floats, Floats, Floats]:
    """Values `[rows]`, their errors, and one standard deviation of the train rows' targets, of the output `asked`.

    Of several targets in those standard deviations, so that they can be compared.
    """
    import numpy as np

    values = outputs[np.arange(len(outputs)), asked].astype(np.float64)
    if arrays.targets.ndim == 1:
        return values, values - np.asarray(arrays.targets, np.float64), np.full(len(values), float(scale["std"]))
    targets = np.asarray(arrays.targets[np.arange(len(values)), asked], np.float64)
    mean, std = (np.array(scale[name])[asked] for name in ("mean", "std"))
    return (values - mean) / std, (values - targets) / std, std
