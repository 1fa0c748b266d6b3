"""Outliers: rows whose size or length is far from that of most."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Finding, Json
from headrace.data.cleaning.scan import RowIndex

MEASURES: dict[str, tuple[str, ...]] = {
    "size_outlier": ("width", "height"),
    "length_outlier": ("characters",),
}
"""The measures that each check looks at; they spread over orders of magnitude, so their logarithms are judged."""
MAD_TO_SIGMA = 1.4826
"""Of a normal distribution: 1 / its 75 % point."""
LEAST_SPREAD = 0.05
"""Of a logarithm: where most rows are alike, 5 % more or less is not yet worth a word."""


def outliers(facts: RowIndex, is_left: NDArray[np.bool_], options: Json) -> list[Finding]:
    """Rows by robust z-score: |log x - median| / (1.4826 MAD) > z.

    Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers, section 3.3.
    """
    found: list[Finding] = []
    for check, names in MEASURES.items():
        for name in names:
            if check in options and name in facts.measures:
                found += _of(facts.scratch.read(f"measure:{name}"), is_left, check, name, options[check]["z"])
    seen: set[tuple[int, str]] = set()  # wide and high is one finding
    return [one for one in found if (one.row, one.check) not in seen and not seen.add((one.row, one.check))]  # type: ignore[func-returns-value]


def _of(values: NDArray[Any], is_left: NDArray[np.bool_], check: str, name: str, z: float) -> list[Finding]:

    logs = np.log1p(np.maximum(values, 0, dtype=np.float64))
    is_known = is_left & np.isfinite(logs)
    if not is_known.any():
        return []
    median = float(np.median(logs[is_known]))
    spread = max(float(np.median(np.abs(logs[is_known] - median))) * MAD_TO_SIGMA, LEAST_SPREAD)
    scores = np.abs(logs - median) / spread
    rows = np.flatnonzero(is_known & (scores > z)).tolist()
    usual = round(float(np.expm1(median)))
    return [Finding(row, check, f"{name} {values[row]:g}, where most have about {usual}") for row in rows]
