"""Targets: labels of clean rows -> what a network is trained on, and what is learned of those of the train rows."""

from __future__ import annotations

from functools import partial
from math import fsum, sqrt
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json, Rows, Spec
from headrace.storage.label_codec import read_list, read_names


def target_shape(spec: Spec) -> tuple[int, ...]:
    """Of one row's target: `()`, or how many labels or values it has."""
    if spec.task == "multilabel":
        return (len(spec.classes),)
    return (len(spec.targets),) if spec.targets else ()


def targets_of(labels: list[str], spec: Spec) -> NDArray[Any]:
    """`[rows, *target_shape]`: class indices (int64), 0 and 1 by label (float32), or values (float32)."""
    if spec.task == "regression":
        return values_of(labels, spec).astype(np.float32)
    index = {name: position for position, name in enumerate(spec.classes)}
    if spec.task == "classification":
        return np.array([index[label] for label in labels], np.int64)
    made = np.zeros((len(labels), len(index)), np.float32)
    for row, label in enumerate(labels):
        made[row, [index[name] for name in read_names(label)]] = 1
    return made


def values_of(labels: list[str], spec: Spec) -> NDArray[np.float64]:
    """Of regression: `[rows]`, of several targets `[rows, targets]`."""
    if not spec.targets:
        return np.array(labels, np.float64)
    return np.array([read_list(label) for label in labels], np.float64).reshape(len(labels), len(spec.targets))


def target_scale(train: Rows, spec: Spec) -> Json:
    """`mean` and `std` of the train rows' targets, exact whatever the order of the rows; of several targets lists."""
    parts = list(train.map(partial(_columns, spec=spec)))
    found = [_moments([value for part in parts for value in part[place]]) for place in range(len(parts[0]))]
    means, stds = ([moments[index] for moments in found] for index in (0, 1))
    return {"mean": means, "std": stds} if spec.targets else {"mean": means[0], "std": stds[0]}


def _columns(batch: pa.RecordBatch, *, spec: Spec) -> list[list[float]]:
    """Values by target."""
    values = values_of(batch.column("label").to_pylist(), spec)
    columns: list[list[float]] = values.reshape(len(values), -1).T.tolist()
    return columns


def _moments(values: list[float]) -> tuple[float, float]:
    mean = fsum(values) / len(values)
    return mean, sqrt(fsum((value - mean) ** 2 for value in values) / len(values)) or 1.0


def class_rows(targets: NDArray[Any], spec: Spec) -> Json:
    """`num_rows` of train, and `rows` of each class among them, in the order of the classes."""
    is_one = spec.task == "classification"
    counts = np.bincount(targets, minlength=len(spec.classes)) if is_one else targets.sum(axis=0, dtype=np.float64)
    return {"num_rows": len(targets), "rows": dict(zip(spec.classes, map(int, counts.tolist()), strict=True))}
