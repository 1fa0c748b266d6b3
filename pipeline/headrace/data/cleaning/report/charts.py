"""Charts as SVG: bars before and after, drawn without a library, so that the page needs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 300, 96
NUM_BINS = 30
CLASSES_SHOWN = 40


def histogram(before: NDArray[np.float32], is_left: NDArray[np.bool_]) -> str:
    """How a measure `[rows]` is spread: grey for all rows, blue for those that are left; NaN is left out.

    The axis runs from the 0.1 to the 99.9 percentile; what lies beyond is in the outermost bars.
    """
    known = np.isfinite(before)
    if not known.any():
        return ""
    low, high = (float(value) for value in np.quantile(before[known], [0.001, 0.999]))
    edges = np.linspace(low, high if high > low else low + 1, NUM_BINS + 1)
    all_counts, left_counts = (
        np.histogram(np.clip(before[rows], edges[0], edges[-1]), edges)[0].tolist() for rows in (known, known & is_left)
    )
    return _svg(all_counts, left_counts, f"{_short(low)}", f"{_short(edges[-1])}")


def classes(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """Rows by class as a table with bars: of all, and of those left; the largest CLASSES_SHOWN classes."""
    names = sorted(before, key=lambda name: (-before[name], name))
    most = max(before.values(), default=1) or 1
    lines = [
        f"<tr><td>{escape(name)}</td><td class=bar><i style='width:{100 * before[name] / most:.2f}%'></i>"
        f"<b style='width:{100 * after.get(name, 0) / most:.2f}%'></b></td>"
        f"<td class=n>{before[name]:,}</td><td class=n>{after.get(name, 0):,}</td></tr>"
        for name in names[:CLASSES_SHOWN]
    ]
    more = f"<p class=quiet>and {len(names) - CLASSES_SHOWN} smaller classes</p>" * (len(names) > CLASSES_SHOWN)
    head = "<tr><th>class</th><th></th><th class=n>rows in</th><th class=n>rows out</th></tr>"
    return f"<table class=classes>{head}{''.join(lines)}</table>{more}"


def _svg(before: Sequence[int], after: Sequence[int], low: str, high: str) -> str:
    most, step = max(before) or 1, WIDTH / NUM_BINS
    bars = "".join(
        f"<rect class={kind} x={index * step:.1f} width={step - 1:.1f} "
        f"y={HEIGHT * (1 - count / most):.1f} height={HEIGHT * count / most:.1f} />"
        for kind, counts in (("before", before), ("after", after))
        for index, count in enumerate(counts)
        if count
    )
    axis = f"<text x=0 y={HEIGHT + 16}>{low}</text><text x={WIDTH} y={HEIGHT + 16} text-anchor=end>{high}</text>"
    return f"<svg viewBox='0 0 {WIDTH} {HEIGHT + 20}' role=img>{bars}{axis}</svg>"


def _short(value: float) -> str:
    return f"{value:,.4g}"
