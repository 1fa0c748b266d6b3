"""Examples: the rows that the page shows, with the served answers and what is true."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.explanation.methods.attributions import MethodName
from headrace.explanation.views.base import View
from headrace.storage.arrays import Arrays

if TYPE_CHECKING:
    from markupsafe import Markup

Floats = NDArray[np.float64]

NO_LABEL = "no label"
"""Shown where a row may have several labels and has none."""


class Prototype(NamedTuple):
    """A train row that the network represents like an explained row."""

    row_id: str
    source: str
    label: str | float
    """Its label, or value in the target's unit."""
    distance: float
    """Of the features, Euclidean."""
    shown: Markup
    """The row."""

    def to_json(self) -> Json:
        """Returns everything but the picture."""
        return {name: value for name, value in self._asdict().items() if name != "shown"}


@dataclass(frozen=True)
class Example:
    """One row with its prediction and attribution."""

    group: str
    """A group of TaskWording.groups."""
    row_id: str
    actual: str | float
    """Class, labels, or value in the target's unit."""
    predicted: str | float
    confidence: float | None
    """Calibrated probability of the explained class or label, in [0, 1], as the server gives it; regression: None."""
    shown: Markup
    """The row and its attributions."""
    is_right: bool | None = None
    """Whether the answer is right; regression: None."""
    explained: str = ""
    """Of several labels, the one that is explained."""
    parts: list[Json] = field(default_factory=list)
    """Name and attribution of each place that has a name."""
    source: str = ""
    """Where the row stands in the source; empty for arrays of an earlier version."""
    prototypes: list[Prototype] = field(default_factory=list)
    """The nearest train rows, the nearest first."""

    def to_json(self) -> Json:
        """Returns everything but the pictures."""
        prototypes = [each.to_json() for each in self.prototypes]
        return {
            "group": self.group,
            "row_id": self.row_id,
            **({"source": self.source} if self.source else {}),
            "actual": self.actual,
            "predicted": self.predicted,
            **({"explained": self.explained} if self.explained else {}),
            **({} if self.confidence is None else {"confidence": self.confidence}),
            **({"parts": self.parts} if self.parts else {}),
            **({"prototypes": prototypes} if prototypes else {}),
        }


class ExplainedRows(NamedTuple):
    """Some rows, aligned by position."""

    rows: NDArray[np.int64]
    """Positions in their split."""
    inputs: NDArray[Any]
    """As they are stored."""
    maps: dict[MethodName, NDArray[np.float32]]
    """Method -> attributions `[rows, *places]`; the chosen one first."""


class ModelAnswers(NamedTuple):
    """The answers to all rows of a split, aligned by position."""

    row_ids: NDArray[np.bytes_]
    targets: NDArray[Any]
    """Class indices, or values in the target's unit; of several labels or targets, text."""
    predicted: NDArray[Any]
    """In the form of `targets`."""
    confidence: Floats | None
    """Calibrated probability of the explained class or label, in [0, 1]; regression: None."""
    outputs: NDArray[np.int64]
    """The output that is explained: predicted class or most probable label; of several targets, each in turn."""
    is_right: NDArray[np.bool_] | None
    """Whether the answer is right; of several labels, all of them. Regression: None."""


def collect_answers(
    spec: Spec, arrays: Arrays, outputs: NDArray[np.float32], probabilities: Floats | None, *, threshold: float = 0.5
) -> ModelAnswers:
    """Returns the answer to each row, and the output that an explanation of it refers to.

    `probabilities`: of classes or labels, as `outputs`; None for values. `threshold`: the probability above which a
    label is predicted. Of several labels the most probable one is explained, and of several targets each in turn, by
    row.
    """
    rows = np.arange(len(outputs))
    if probabilities is None:
        explained = rows % outputs.shape[1]
        values, targets = outputs[rows, explained].astype(np.float64), arrays.targets
        if spec.targets:
            targets, values = (_name_values(each, spec, explained) for each in (targets[rows, explained], values))
        return ModelAnswers(arrays.row_ids, targets, values, None, explained, None)
    explained = np.asarray(outputs.argmax(axis=1), np.int64)
    confidence = probabilities[rows, explained]
    if spec.task == "classification":
        is_right = np.asarray(explained == arrays.targets, bool)
        return ModelAnswers(arrays.row_ids, arrays.targets, explained, confidence, explained, is_right)
    is_predicted, is_actual = probabilities > threshold, arrays.targets > 0
    predicted, actual = (_join_labels(spec, labels) for labels in (is_predicted, is_actual))
    is_right = (is_predicted == is_actual).all(axis=1)
    return ModelAnswers(arrays.row_ids, actual, predicted, confidence, explained, is_right)


def build_examples(
    spec: Spec,
    answers: ModelAnswers,
    *,
    groups: dict[str, NDArray[np.int64]],
    shown: ExplainedRows,
    view: View,
    sources: pa.ChunkedArray | None = None,
) -> list[Example]:
    """Builds one example for each row of `shown`, which holds the rows of `groups` in their order.

    `sources`: the places of the answered rows in the source.
    """
    names = [group for group, rows in groups.items() for _ in rows]
    return [
        Example(
            group=group,
            row_id=answers.row_ids[row].decode("ascii"),
            actual=source_value(spec, answers.targets[row]),
            predicted=source_value(spec, answers.predicted[row]),
            confidence=None if answers.confidence is None else float(answers.confidence[row]),
            is_right=None if answers.is_right is None else bool(answers.is_right[row]),
            explained=spec.classes[answers.outputs[row]] if spec.task == "multilabel" else "",
            shown=view.show(inputs, {method: maps[index] for method, maps in shown.maps.items()}),
            parts=view.parts(inputs, next(iter(shown.maps.values()))[index]),
            source="" if sources is None else str(sources[int(row)]),
        )
        for index, (group, row, inputs) in enumerate(zip(names, shown.rows, shown.inputs, strict=True))
    ]


def group_by_prediction(spec: Spec, answers: ModelAnswers, rows: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    """Predicted class (regression: target) -> which of `rows` it has, without empty groups."""
    outputs = answers.outputs[rows]
    names = (spec.targets or [spec.target or "all"]) if spec.task == "regression" else spec.classes
    is_predicted = np.ones(len(outputs), bool)
    if spec.task == "multilabel":
        is_predicted = answers.predicted[rows] != NO_LABEL
    groups = {name: (outputs == index) & is_predicted for index, name in enumerate(names)}
    return {name: rows for name, rows in groups.items() if rows.any()}


def source_value(spec: Spec, answer: Any) -> str | float:
    """Returns the name of a class, or a value; text stays as it is."""
    if isinstance(answer, str):
        return answer
    return float(answer) if spec.task == "regression" else spec.classes[int(answer)]


def name_target(spec: Spec, target: Any) -> str | float:
    """Returns the target of a row, as arrays store it, in the form of `source_value`."""
    if spec.task == "multilabel":
        return str(_join_labels(spec, target[None] > 0)[0])
    if spec.targets:
        return ", ".join(f"{name} {value:.6g}" for name, value in zip(spec.targets, target, strict=True))
    return source_value(spec, target)


def _join_labels(spec: Spec, labels: NDArray[np.bool_]) -> NDArray[np.object_]:
    names = np.array(spec.classes, object)
    return np.array([", ".join(names[row]) or NO_LABEL for row in labels], object)


def _name_values(values: NDArray[Any], spec: Spec, outputs: NDArray[np.int64]) -> NDArray[np.object_]:
    return np.array([f"{spec.targets[at]} {value:.6g}" for value, at in zip(values, outputs, strict=True)], object)


def join_maps(maps: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Concatenates attributions `[rows, *places]`; texts are padded with 0 to the longest."""
    shape = np.max([batch.shape[1:] for batch in maps], axis=0)
    joined = np.zeros((sum(map(len, maps)), *shape), np.float32)
    start = 0
    for batch in maps:
        joined[(slice(start, start + len(batch)), *map(slice, batch.shape[1:]))] = batch
        start += len(batch)
    return joined
