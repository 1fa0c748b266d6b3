"""Sentences of the page that differ by what the model was asked for. SENTENCES: task -> them."""

from __future__ import annotations

from typing import NamedTuple


class TaskWording(NamedTuple):
    """HTML, each a part of a sentence or some."""

    groups: dict[str, tuple[str, str]]
    """Group of examples -> heading and note."""
    followed: str
    """What the deletion curve follows."""
    axis: str
    """The same in the plot; plain text."""
    sooner: str
    """Where a faithful attribution makes the model change its answer sooner."""
    against: str
    """The blue end of the scale."""
    speaks_for: str
    """The red end of the scale."""
    note: str
    """On the figures beside the examples."""


def _of_classes(wrong: str, followed: str, against: str) -> TaskWording:
    return TaskWording(
        groups={
            "wrong": ("Wrong", wrong),
            "unsure": ("Least sure", "Right, but only just."),
            "right": ("Right", "Drawn at random from the other right ones."),
        },
        followed=followed,
        axis="mean probability",
        sooner="are red",
        against=against,
        speaks_for="for it",
        note="Percentages are the network's own, before calibration.",
    )


SENTENCES = {
    "classification": _of_classes(
        "The mistakes that the model was surest of.",
        "the predicted class's probability",
        "Against the predicted class",
    ),
    "multilabel": _of_classes(
        "The surest label of the row is not its own, or it has labels and is given none.",
        "the probability of the row's surest label",
        "Against the row's surest label",
    ),
    "regression": TaskWording(
        groups={
            "furthest": ("Furthest off", "The largest errors."),
            "extreme": ("Extreme", "Of the others, the predictions furthest from their median."),
            "others": ("Others", "Drawn at random from the rest."),
        },
        followed=(
            "the likeness to the answer before (1: the same, 1/2: one standard deviation of the training targets away)"
        ),
        axis="likeness to the answer",
        sooner="are strong, red or blue",
        against="Lowers the value",
        speaks_for="raises it",
        note="Values are in the target's unit.",
    ),
}
