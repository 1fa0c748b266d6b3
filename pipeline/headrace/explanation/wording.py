"""TASK_WORDINGS: task -> the sentences of the page that depend on it."""

from __future__ import annotations

from typing import NamedTuple


class TaskWording(NamedTuple):
    """Each a part of a sentence, or several sentences."""

    groups: dict[str, tuple[str, str]]
    """Group of examples -> heading and note."""
    followed: str
    """The score of the deletion curve."""
    axis: str
    """The same, as the label of an axis."""
    sooner: str
    """Where a faithful attribution makes the model change its answer sooner."""
    against: str
    """The blue end of the scale."""
    speaks_for: str
    """The red end of the scale."""
    note: str
    """About the numbers below the examples."""


def _classification(wrong: str, followed: str, against: str) -> TaskWording:
    return TaskWording(
        groups={
            "wrong": ("Wrong", wrong),
            "unsure": ("Least confident", "Correct, with the lowest confidence."),
            "right": ("Right", "A random sample of the other correct rows."),
        },
        followed=followed,
        axis="mean probability",
        sooner="are red",
        against=against,
        speaks_for="for it",
        note="Percentages are the network's own, before calibration.",
    )


TASK_WORDINGS = {
    "classification": _classification(
        "The most confident mistakes of the model.",
        "the predicted class's probability",
        "Against the predicted class",
    ),
    "multilabel": _classification(
        "The most confident label is wrong, or the row has labels and the model predicts none.",
        "the probability of the row's most confident label",
        "Against the row's most confident label",
    ),
    "regression": TaskWording(
        groups={
            "furthest": ("Largest errors", "The largest errors."),
            "extreme": ("Extreme", "Of the others, the predictions furthest from their median."),
            "others": ("Others", "A random sample of the rest."),
        },
        followed=("the similarity to the original prediction (1: equal, 1/2: one training standard deviation away)"),
        axis="similarity to the original prediction",
        sooner="are strong, red or blue",
        against="Lowers the value",
        speaks_for="raises it",
        note="Values are in the target's unit.",
    ),
}
