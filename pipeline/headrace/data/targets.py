"""Targets: encodes the labels of clean rows for training, and computes their statistics on train rows."""

from __future__ import annotations

from functools import partial
from math import fsum, sqrt
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json, Rows, Spec
from headrace.storage.label_codec import decode_list, decode_names


def target_shape(spec: Spec) -> tuple[int, ...]:
    """Returns the shape of one target: `()`, or the number of labels or values."""
    if spec.task == "multilabel":
        return (len(spec.classes),)
    return (len(spec.targets),) if spec.targets else ()


def encode_targets(labels: list[str], spec: Spec) -> NDArray[Any]:
    """Returns `[rows, *target_shape]`: class indices (int64), 0 and 1 per label (float32), or values (float32)."""
    if spec.task == "regression":
        return parse_values(labels, spec).astype(np.float32)
    index = {name: position for position, name in enumerate(spec.classes)}
    if spec.task == "classification":
        return np.array([index[label] for label in labels], np.int64)
    indicators = np.zeros((len(labels), len(index)), np.float32)
    for row, label in enumerate(labels):
        indicators[row, [index[name] for name in decode_names(label)]] = 1
    return indicators


def parse_values(labels: list[str], spec: Spec) -> NDArray[np.float64]:
    """Parses the labels of regression: `[rows]`, or `[rows, targets]` for several targets."""
    if not spec.targets:
        return np.array(labels, np.float64)
    return np.array([decode_list(label) for label in labels], np.float64).reshape(len(labels), len(spec.targets))


def fit_target_scale(train: Rows, spec: Spec) -> Json:
    """Returns `mean` and `std` of the train targets, exact for any order of rows; lists for several targets."""
    batches = list(train.map(partial(_columns, spec=spec)))
    columns = [[value for column in parts for value in column] for parts in zip(*batches, strict=True)]
    means, stds = zip(*map(_moments, columns), strict=True)
    return {"mean": list(means), "std": list(stds)} if spec.targets else {"mean": means[0], "std": stds[0]}


def count_class_rows(targets: NDArray[Any], spec: Spec) -> Json:
    """Returns `num_rows`, and `rows` of each class, in the order of the classes."""
    is_single = spec.task == "classification"
    counts = np.bincount(targets, minlength=len(spec.classes)) if is_single else targets.sum(axis=0, dtype=np.float64)
    return {"num_rows": len(targets), "rows": dict(zip(spec.classes, map(int, counts.tolist()), strict=True))}


def _columns(batch: pa.RecordBatch, *, spec: Spec) -> list[list[float]]:
    """Returns the values of each target."""
    values = parse_values(batch.column("label").to_pylist(), spec)
    columns: list[list[float]] = values.reshape(len(values), -1).T.tolist()
    return columns


def _moments(values: list[float]) -> tuple[float, float]:
    mean = fsum(values) / len(values)
    return mean, sqrt(fsum((value - mean) ** 2 for value in values) / len(values)) or 1.0
