"""Texts and bars that mark attributions: red supports the explained output, blue opposes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

TEMPLATE = "explanation/marks.html.jinja"


class Mark(NamedTuple):
    """One place of a row."""

    name: str
    value: str
    """The row's value, or empty."""
    score: float
    strength: float
    """|score| as a fraction of the strongest one."""
    side: str
    """`for` or `against`."""


def make_marks(places: Iterable[tuple[str, str, float]]) -> list[Mark]:
    """Scales names, values and attributions of a row's places; the strongest is 1."""
    places = list(places)
    scale = max((abs(score) for *_, score in places), default=0.0) or 1.0
    return [
        Mark(name, value, score, abs(score) / scale, "for" if score > 0 else "against") for name, value, score in places
    ]
