"""Telling: what is true of the explained rows and what the model said, beside their attributions.

Answers of each task as an explanation takes them: one output a row, and what is true of it.

Selection: which rows a person should look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.explanation.page import Example

if TYPE_CHECKING:
    from headrace.explanation.views.base import View
    from headrace.storage.arrays import Arrays

Floats = NDArray[np.float64]

NO_LABEL = "no label"
"""Told where a row may have several labels and has none."""


class ExplainedRows(NamedTuple):
    """Some rows, aligned by position."""

    rows: NDArray[np.int64]
    """Their places in the validation rows."""
    inputs: NDArray[Any]
    """As they are stored."""
    maps: NDArray[np.float32]
    """`[rows, *places]`: attributions."""


class ModelAnswers(NamedTuple):
    """The answers to all validation rows, aligned by position."""

    row_ids: NDArray[np.bytes_]
    targets: NDArray[Any]
    """Class indices, or values in the target's unit; of several labels or targets what to tell of them."""
    predicted: NDArray[Any]
    """The same."""
    confidence: NDArray[np.float64] | None
    """Probability of the predicted class or label (or that it is none), in [0, 1]; regression: None."""
    asked: NDArray[np.int64]
    """The output that is explained: of the predicted class or surest label; of several targets, each in turn."""


def make_examples(
    spec: Spec, said: ModelAnswers, *, groups: dict[str, NDArray[np.int64]], shown: ExplainedRows, view: View
) -> list[Example]:
    """One example a row of `shown`, which holds the rows of `groups` in their order."""
    names = [group for group, rows in groups.items() for _ in rows]
    return [
        Example(
            group=group,
            row_id=said.row_ids[row].decode("ascii"),
            actual=_answer(spec, said.targets[row]),
            predicted=_answer(spec, said.predicted[row]),
            confidence=None if said.confidence is None else float(said.confidence[row]),
            shown=view.show(inputs, attribution),
            parts=view.parts(inputs, attribution),
        )
        for group, row, inputs, attribution in zip(names, *shown, strict=True)
    ]


def predicted_groups(spec: Spec, said: ModelAnswers, drawn: ExplainedRows) -> dict[str, NDArray[np.bool_]]:
    """Name -> rows of `drawn`: a group for each class that the model takes some for; regression: for each target."""
    asked = said.asked[drawn.rows]
    names = (spec.targets or [spec.target or "all"]) if spec.task == "regression" else spec.classes
    is_given = np.ones(len(asked), bool) if spec.task != "multilabel" else said.predicted[drawn.rows] != NO_LABEL
    rows = {name: (asked == index) & is_given for index, name in enumerate(names)}
    return {name: part for name, part in rows.items() if part.any()}


def _answer(spec: Spec, answer: Any) -> str | float:
    if isinstance(answer, str):
        return answer
    return float(answer) if spec.task == "regression" else spec.classes[int(answer)]


GIVEN_ABOVE = 0.5
"""Probability of a label, before calibration."""


def said_of(spec: Spec, arrays: Arrays, outputs: NDArray[np.float32], probabilities: Floats | None) -> ModelAnswers:
    """What the model answered to every row.

    `probabilities`: of classes or labels, as `outputs`; None for values. Of several labels the answer is the surest
    one, if it is given at all; what is true is told where it differs. Of several values it is each in turn, by row.
    """
    rows = np.arange(len(outputs))
    if probabilities is None:
        asked = rows % outputs.shape[1]
        values, targets = outputs[rows, asked].astype(np.float64), arrays.targets
        if not spec.targets:
            return ModelAnswers(arrays.row_ids, targets, values, None, asked)
        told = [_named(values, spec, asked), _named(targets[rows, asked], spec, asked)]
        return ModelAnswers(arrays.row_ids, told[1], told[0], None, asked)
    asked = np.asarray(outputs.argmax(axis=1), np.int64)
    confidence = probabilities[rows, asked]
    if spec.task == "classification":
        return ModelAnswers(arrays.row_ids, arrays.targets, asked, confidence, asked)
    names, is_given = np.array(spec.classes, object), confidence > GIVEN_ABOVE
    predicted = np.where(is_given, names[asked], NO_LABEL)
    actual = np.array([", ".join(names[row > 0]) or NO_LABEL for row in arrays.targets], object)
    is_right = np.where(is_given, arrays.targets[rows, asked] > 0, actual == NO_LABEL)
    confidence = np.where(is_given, confidence, 1 - confidence)
    return ModelAnswers(arrays.row_ids, np.where(is_right, predicted, actual), predicted, confidence, asked)


def _named(values: NDArray[Any], spec: Spec, asked: NDArray[np.int64]) -> NDArray[np.object_]:

    return np.array([f"{spec.targets[at]} {value:.6g}" for value, at in zip(values, asked, strict=True)], object)


def values_of(
    arrays: Arrays, outputs: NDArray[np.float32], asked: NDArray[np.int64], scale: Json
) -> tuple[Floats, Floats, Floats]:
    """Values `[rows]`, their errors, and one standard deviation of the train rows' targets, of the output `asked`.

    Of several targets in those standard deviations, so that they can be compared.
    """
    values = outputs[np.arange(len(outputs)), asked].astype(np.float64)
    if arrays.targets.ndim == 1:
        return values, values - np.asarray(arrays.targets, np.float64), np.full(len(values), float(scale["std"]))
    targets = np.asarray(arrays.targets[np.arange(len(values)), asked], np.float64)
    mean, std = (np.array(scale[name])[asked] for name in ("mean", "std"))
    return (values - mean) / std, (values - targets) / std, std


GROUPS = ("wrong", "unsure", "right")
VALUE_GROUPS = ("furthest", "extreme", "others")


def pick_examples(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, num_examples: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Row indices by group, a third of `num_examples` each where there are as many; no row twice.

    `wrong`: the surest mistakes. `unsure`: the least sure of those that are right. `right`: a random draw of the rest.
    """
    share = _thirds(num_examples)
    surest_first = np.argsort(-confidence, kind="stable")
    wrong = surest_first[~correct[surest_first]][: share[0]]
    is_right = surest_first[correct[surest_first]]
    unsure = is_right[::-1][: share[1]]
    rest = is_right[: len(is_right) - len(unsure)]
    right = np.random.default_rng(seed).permutation(rest)[: share[2]]
    return dict(zip(GROUPS, (wrong, unsure, right), strict=True))


def pick_values(
    values: NDArray[np.float64], errors: NDArray[np.float64], *, num_examples: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Row indices of a regression by group, a third of `num_examples` each where there are as many; no row twice.

    `furthest`: the largest errors. `extreme`: of the rest, predictions furthest from their median. `others`: a random
    draw of what is left.
    """
    share = _thirds(num_examples)
    furthest, rest = np.split(np.argsort(-np.abs(errors), kind="stable"), [share[0]])
    distance = np.abs(values - np.median(values))
    extreme, rest = np.split(rest[np.argsort(-distance[rest], kind="stable")], [share[1]])
    others = np.random.default_rng(seed).permutation(np.sort(rest))[: share[2]]
    return dict(zip(VALUE_GROUPS, (furthest, extreme, others), strict=True))


def _thirds(num_examples: int) -> list[int]:

    return [len(part) for part in np.array_split(np.arange(num_examples), len(GROUPS))]
