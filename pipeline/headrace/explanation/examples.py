"""Examples: which validation rows the page shows, with the model's answers and what is true."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.explanation.page import Example
from headrace.explanation.views.base import View
from headrace.storage.arrays import Arrays

Floats = NDArray[np.float64]

NO_LABEL = "no label"
"""Shown where a row may have several labels and has none."""
CLASS_GROUPS = ("wrong", "unsure", "right")
VALUE_GROUPS = ("furthest", "extreme", "others")


class ExplainedRows(NamedTuple):
    """Some rows, aligned by position."""

    rows: NDArray[np.int64]
    """Positions among the validation rows."""
    inputs: NDArray[Any]
    """As they are stored."""
    maps: NDArray[np.float32]
    """`[rows, *places]`: attributions."""


class ModelAnswers(NamedTuple):
    """The answers to all validation rows, aligned by position."""

    row_ids: NDArray[np.bytes_]
    targets: NDArray[Any]
    """Class indices, or values in the target's unit; of several labels or targets, text."""
    predicted: NDArray[Any]
    """In the form of `targets`."""
    confidence: Floats | None
    """Probability of the predicted class or label (or that there is none), in [0, 1]; regression: None."""
    outputs: NDArray[np.int64]
    """The output that is explained: predicted class or most confident label; of several targets, each in turn."""


def collect_answers(
    spec: Spec, arrays: Arrays, outputs: NDArray[np.float32], probabilities: Floats | None, *, threshold: float = 0.5
) -> ModelAnswers:
    """Returns the answer to each row, and the output that an explanation of it refers to.

    `probabilities`: of classes or labels, as `outputs`; None for values. `threshold`: the probability above which a
    label is predicted. Of several labels the answer is the most
    confident one, if it is predicted at all. Of several targets it is each in turn, by row.
    """
    rows = np.arange(len(outputs))
    if probabilities is None:
        explained = rows % outputs.shape[1]
        values, targets = outputs[rows, explained].astype(np.float64), arrays.targets
        if not spec.targets:
            return ModelAnswers(arrays.row_ids, targets, values, None, explained)
        named_targets = _name_values(targets[rows, explained], spec, explained)
        return ModelAnswers(arrays.row_ids, named_targets, _name_values(values, spec, explained), None, explained)
    explained = np.asarray(outputs.argmax(axis=1), np.int64)
    confidence = probabilities[rows, explained]
    if spec.task == "classification":
        return ModelAnswers(arrays.row_ids, arrays.targets, explained, confidence, explained)
    names, is_predicted = np.array(spec.classes, object), confidence > threshold
    predicted = np.where(is_predicted, names[explained], NO_LABEL)
    actual = np.array([", ".join(names[row > 0]) or NO_LABEL for row in arrays.targets], object)
    is_right = np.where(is_predicted, arrays.targets[rows, explained] > 0, actual == NO_LABEL)
    confidence = np.where(is_predicted, confidence, 1 - confidence)
    return ModelAnswers(arrays.row_ids, np.where(is_right, predicted, actual), predicted, confidence, explained)


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

    `sources`: the places of all validation rows in the source.
    """
    names = [group for group, rows in groups.items() for _ in rows]
    return [
        Example(
            group=group,
            row_id=answers.row_ids[row].decode("ascii"),
            actual=_source_value(spec, answers.targets[row]),
            predicted=_source_value(spec, answers.predicted[row]),
            confidence=None if answers.confidence is None else float(answers.confidence[row]),
            shown=view.show(inputs, attribution),
            parts=view.parts(inputs, attribution),
            source="" if sources is None else str(sources[int(row)]),
        )
        for group, row, inputs, attribution in zip(names, *shown, strict=True)
    ]


def group_by_prediction(spec: Spec, answers: ModelAnswers, sample: ExplainedRows) -> dict[str, NDArray[np.bool_]]:
    """Predicted class (regression: target) -> its rows `[sample]`, without empty groups."""
    outputs = answers.outputs[sample.rows]
    names = (spec.targets or [spec.target or "all"]) if spec.task == "regression" else spec.classes
    is_predicted = np.ones(len(outputs), bool)
    if spec.task == "multilabel":
        is_predicted = answers.predicted[sample.rows] != NO_LABEL
    groups = {name: (outputs == index) & is_predicted for index, name in enumerate(names)}
    return {name: rows for name, rows in groups.items() if rows.any()}


def scale_values(
    arrays: Arrays, outputs: NDArray[np.float32], explained: NDArray[np.int64], scale: Json
) -> tuple[Floats, Floats, Floats]:
    """Returns the values `[rows]` of the outputs `explained`, their errors, and the training targets' deviation.

    Values and errors of several targets are in their standard deviations, so that they can be compared.
    """
    values = outputs[np.arange(len(outputs)), explained].astype(np.float64)
    if arrays.targets.ndim == 1:
        return values, values - np.asarray(arrays.targets, np.float64), np.full(len(values), float(scale["std"]))
    targets = np.asarray(arrays.targets[np.arange(len(values)), explained], np.float64)
    mean, std = (np.array(scale[name])[explained] for name in ("mean", "std"))
    return (values - mean) / std, (values - targets) / std, std


def pick_class_examples(
    confidence: Floats, correct: NDArray[np.bool_], *, num_examples: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Picks rows by group, up to a third of `num_examples` each; no row twice.

    `wrong`: the most confident mistakes. `unsure`: the least confident right ones. `right`: a random sample of the
    others.
    """
    sizes = _thirds(num_examples)
    by_confidence = np.argsort(-confidence, kind="stable")
    wrong = by_confidence[~correct[by_confidence]][: sizes[0]]
    is_right = by_confidence[correct[by_confidence]]
    unsure = is_right[::-1][: sizes[1]]
    rest = is_right[: len(is_right) - len(unsure)]
    right = np.random.default_rng(seed).permutation(rest)[: sizes[2]]
    return dict(zip(CLASS_GROUPS, (wrong, unsure, right), strict=True))


def pick_value_examples(
    values: Floats, errors: Floats, *, num_examples: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Picks rows of a regression by group, up to a third of `num_examples` each; no row twice.

    `furthest`: the largest errors. `extreme`: of the rest, predictions furthest from their median. `others`: a random
    sample of the rest.
    """
    sizes = _thirds(num_examples)
    furthest, rest = np.split(np.argsort(-np.abs(errors), kind="stable"), [sizes[0]])
    distance = np.abs(values - np.median(values))
    extreme, rest = np.split(rest[np.argsort(-distance[rest], kind="stable")], [sizes[1]])
    others = np.random.default_rng(seed).permutation(np.sort(rest))[: sizes[2]]
    return dict(zip(VALUE_GROUPS, (furthest, extreme, others), strict=True))


def _source_value(spec: Spec, answer: Any) -> str | float:
    if isinstance(answer, str):
        return answer
    return float(answer) if spec.task == "regression" else spec.classes[int(answer)]


def _name_values(values: NDArray[Any], spec: Spec, outputs: NDArray[np.int64]) -> NDArray[np.object_]:
    return np.array([f"{spec.targets[at]} {value:.6g}" for value, at in zip(values, outputs, strict=True)], object)


def _thirds(num_examples: int) -> list[int]:
    return [len(part) for part in np.array_split(np.arange(num_examples), len(CLASS_GROUPS))]
