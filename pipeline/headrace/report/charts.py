"""Charts of curves as numbers that the template draws, so that they take the colours of the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

MAX_INTERVALS = 5
"""Between ticks of an axis."""
Curve = Sequence[tuple[float, float]]


class LineChart(NamedTuple):
    """Curves in a square of 100 x 100 units, with the origin at the top left."""

    title: str
    x_label: str
    x_ticks: list[str]
    """From left to right, evenly spaced."""
    y_ticks: list[str]
    """From top to bottom."""
    curves: dict[str, str]
    """Name -> points, as SVG reads them."""

    @property
    def summary(self) -> str:
        """The text for those who do not see the chart."""
        return f"{self.title} by {self.x_label}: {', '.join(self.curves)}; from {self.y_ticks[-1]} to {self.y_ticks[0]}"


def build_line_chart(title: str, x_label: str, curves: Mapping[str, Curve]) -> LineChart | None:
    """Scales curves of (x, y) to their common range; points that are not finite are left out. None without points."""
    finite = {
        name: points
        for name, curve in curves.items()
        if (points := [(x, y) for x, y in curve if math.isfinite(x) and math.isfinite(y)])
    }
    if not finite:
        return None
    x_axis = choose_ticks([x for curve in finite.values() for x, _ in curve])
    y_axis = choose_ticks([y for curve in finite.values() for _, y in curve])
    polylines = {
        name: " ".join(f"{_scale(x, x_axis):.2f},{100 - _scale(y, y_axis):.2f}" for x, y in curve)
        for name, curve in finite.items()
    }
    x_ticks, y_ticks = ([f"{tick:.6g}" for tick in axis] for axis in (x_axis, y_axis))
    return LineChart(title, x_label, x_ticks, y_ticks[::-1], polylines)


def choose_ticks(values: Iterable[float]) -> list[float]:
    """Returns round numbers, evenly spaced, from at or below the smallest value to at or above the largest.

    Whole numbers, such as epochs, get whole ticks.
    """
    values = list(values)
    low, high = min(values), max(values)
    if low == high:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    magnitude = 10 ** math.floor(math.log10((high - low) / MAX_INTERVALS))
    steps = (factor * magnitude for factor in (1, 2, 2.5, 5, 10))
    step = next(step for step in steps if (high - low) / step <= MAX_INTERVALS * (1 + 1e-9))
    if all(float(value).is_integer() for value in values):
        step = math.ceil(step)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _scale(value: float, axis: Sequence[float]) -> float:
    return 100 * (value - axis[0]) / (axis[-1] - axis[0])
