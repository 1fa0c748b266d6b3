"""Telling: what is true of the explained rows and what the model said, beside their attributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.contracts import Spec
from headrace.explanation.page import Example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headrace.explanation.view import View

NO_LABEL = "no label"
"""Told where a row may have several labels and has none."""


class Explained(NamedTuple):
    """Some rows, aligned by position."""

    rows: NDArray[np.int64]
    """Their places in the validation rows."""
    inputs: NDArray[Any]
    """As they are stored."""
    maps: NDArray[np.float32]
    """`[rows, *places]`: attributions."""


class Said(NamedTuple):
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
    spec: Spec, said: Said, *, groups: dict[str, NDArray[np.int64]], shown: Explained, view: View
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


def predicted_groups(spec: Spec, said: Said, drawn: Explained) -> dict[str, NDArray[np.bool_]]:
    """Name -> rows of `drawn`: a group for each class that the model takes some for; regression: for each target."""
    import numpy as np

    asked = said.asked[drawn.rows]
    names = (spec.targets or [spec.target or "all"]) if spec.task == "regression" else spec.classes
    is_given = np.ones(len(asked), bool) if spec.task != "multilabel" else said.predicted[drawn.rows] != NO_LABEL
    rows = {name: (asked == index) & is_given for index, name in enumerate(names)}
    return {name: part for name, part in rows.items() if part.any()}


def _answer(spec: Spec, answer: Any) -> str | float:
    if isinstance(answer, str):
        return answer
    return float(answer) if spec.task == "regression" else spec.classes[int(answer)]
