"""Sentences of the page: by task, and what the measurements allow to claim."""

from __future__ import annotations

from typing import NamedTuple

from headrace.contracts import Metrics
from headrace.explanation.faithfulness import MIN_GAIN, Verdict, find_shown_kinds, judge_faithfulness
from headrace.explanation.sanity_check import MAX_SIMILARITY


class TaskWording(NamedTuple):
    """Each a part of a sentence, or several sentences."""

    groups: dict[str, tuple[str, str]]
    """Group of examples -> heading and note."""
    followed: str
    """The score of the deletion curve."""
    axis: str
    """The same, as the label of an axis."""
    against: str
    """The blue end of the scale."""
    speaks_for: str
    """The red end of the scale."""
    note: str
    """About the numbers below the examples."""


def _classification(wrong: str, mistakes: str, followed: str, against: str) -> TaskWording:
    return TaskWording(
        groups={
            "test_mistakes": ("Worst mistakes on test rows", mistakes),
            "wrong": ("Wrong", wrong),
            "unsure": ("Least confident", "Correct, with the lowest confidence."),
            "right": ("Right", "A random sample of the other correct rows."),
        },
        followed=followed,
        axis="mean probability",
        against=against,
        speaks_for="for it",
        note="Answers and percentages are those of the served model, after calibration.",
    )


TASK_WORDINGS = {
    "classification": _classification(
        "The most confident mistakes on validation rows.",
        "The most confident ones.",
        "the predicted class's probability",
        "Against the predicted class",
    ),
    "multilabel": _classification(
        "Validation rows with a wrong or a missing label, the highest probability first.",
        "The rows with most wrong or missing labels.",
        "the probability of the row's most probable label",
        "Against the row's most probable label",
    ),
    "regression": TaskWording(
        groups={
            "test_mistakes": ("Worst mistakes on test rows", "The largest errors."),
            "furthest": ("Largest errors", "The largest errors on validation rows."),
            "extreme": ("Extreme", "Of the others, the predictions furthest from their median."),
            "others": ("Others", "A random sample of the rest."),
        },
        followed="the similarity to the original prediction (1: equal, 1/2: one training standard deviation away)",
        axis="similarity to the original prediction",
        against="Lowers the value",
        speaks_for="raises it",
        note="Values are those of the served model, in the target's unit.",
    ),
}
CLAIMS: dict[Verdict, str] = {
    "shown": "on average over these rows, they mark {places} that the model uses.",
    "partly shown": "only in part are they shown to mark {places} that the model uses: the gain by {shown} is, the"
    " other is not, at least {limit:g} and beyond doubt above 0.",
    "not shown": "they are not shown to mark {places} that the model uses: neither gain is at least {limit:g} and"
    " beyond doubt above 0. Do not explain a decision by them.",
}
"""Verdict -> a sentence about the attributions."""


def claim_faithfulness(metrics: Metrics, method: str, places: str) -> str:
    """Says no more than the intervals of `measure_faithfulness` show.

    `method` is the title of the method, `places` what it attributes.
    """
    claim, shown = CLAIMS[judge_faithfulness(metrics)], "".join(find_shown_kinds(metrics)[:1])
    return f"{_capitalize(method)}: {claim.format(places=places, shown=shown, limit=MIN_GAIN)}"


def claim_sanity(similarity: float | None, method: str) -> str:
    """Says whether a method depends on the weights; empty where it does, or where that could not be measured."""
    if similarity is None or similarity < MAX_SIMILARITY:
        return ""
    return (
        f"{_capitalize(method)}: they hardly depend on what the model has learned, since networks with shuffled weights"
        f" give nearly the same (rank correlation {similarity:.2f})."
    )


def format_gain(metrics: Metrics, kind: str) -> str:
    """Formats a gain with its interval: `+0.123 (0.101 to 0.145)`."""
    return f"{metrics[kind]:+.3f} ({format_interval(metrics, kind)})"


def format_interval(metrics: Metrics, kind: str) -> str:
    """Formats the interval of a gain."""
    if f"{kind}_low" not in metrics:
        return "a single row has no interval"
    return f"{metrics[f'{kind}_low']:.3f} to {metrics[f'{kind}_high']:.3f}"


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]
