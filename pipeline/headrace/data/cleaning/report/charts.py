"""Charts of the cleaning report as numbers that the template draws: rows before and after cleaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 30
MAX_CLASSES = 40


class Histogram(NamedTuple):
    """Heights of the bars in percent of the highest one."""

    before: list[float]
    after: list[float]
    low: str
    """The left end of the axis."""
    high: str


class ClassBar(NamedTuple):
    """One class; widths are percentages of the largest class."""

    name: str
    rows_in: int
    rows_out: int
    width_in: float
    width_out: float


class ClassChart(NamedTuple):
    """The largest classes first."""

    bars: list[ClassBar]
    num_hidden: int
    """Smaller classes that are not shown."""


def build_histogram(values: NDArray[np.float32], is_accepted: NDArray[np.bool_]) -> Histogram | None:
    """Counts the values of all rows and of the accepted ones; None if no value is finite.

    The axis runs from the 0.1 to the 99.9 percentile; values beyond are counted in the outermost bars.
    """
    is_known = np.isfinite(values)
    if not is_known.any():
        return None
    low, high = (float(value) for value in np.quantile(values[is_known], [0.001, 0.999]))
    edges = np.linspace(low, high if high > low else low + 1, NUM_BINS + 1)
    before, after = (
        np.histogram(np.clip(values[rows], edges[0], edges[-1]), edges)[0]
        for rows in (is_known, is_known & is_accepted)
    )
    scale = 100 / before.max()
    return Histogram((before * scale).tolist(), (after * scale).tolist(), f"{low:,.4g}", f"{edges[-1]:,.4g}")


def build_class_chart(rows_in: Mapping[str, int], rows_out: Mapping[str, int]) -> ClassChart:
    """Compares the sizes of the classes before and after cleaning."""
    names = sorted(rows_in, key=lambda name: (-rows_in[name], name))
    scale = 100 / (max(rows_in.values(), default=1) or 1)
    bars = [
        ClassBar(name, rows_in[name], rows_out.get(name, 0), rows_in[name] * scale, rows_out.get(name, 0) * scale)
        for name in names[:MAX_CLASSES]
    ]
    return ClassChart(bars, max(0, len(names) - MAX_CLASSES))
