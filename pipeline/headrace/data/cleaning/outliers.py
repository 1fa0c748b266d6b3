"""Outliers: rows whose size or length is far from that of most rows."""

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
"""Check -> its measures. They span orders of magnitude, so their logarithms are compared."""
MAD_TO_SIGMA = 1.4826
"""Normal distribution: 1 / the 75th percentile."""
MIN_SPREAD = 0.05
"""Of a logarithm: where most rows are alike, a deviation of 5 % is not an outlier yet."""


def find_outliers(row_index: RowIndex, is_accepted: NDArray[np.bool_], options: Json) -> list[Finding]:
    """Finds rows by robust z-score: |log x - median| / (1.4826 MAD) > z. Each row is one finding a check.

    Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers, section 3.3.
    """
    findings: dict[tuple[int, str], Finding] = {}
    for check, names in MEASURES.items():
        for name in names:
            if check in options and name in row_index.measures:
                values = row_index.scratch.read(f"measure:{name}")
                for finding in _check_measure(values, is_accepted, check, name, options[check]["z"]):
                    findings.setdefault((finding.row, check), finding)
    return list(findings.values())


def _check_measure(
    values: NDArray[Any], is_accepted: NDArray[np.bool_], check: str, name: str, z: float
) -> list[Finding]:
    logs = np.log1p(np.maximum(values, 0, dtype=np.float64))
    is_known = is_accepted & np.isfinite(logs)
    if not is_known.any():
        return []
    median = float(np.median(logs[is_known]))
    spread = max(float(np.median(np.abs(logs[is_known] - median))) * MAD_TO_SIGMA, MIN_SPREAD)
    scores = np.abs(logs - median) / spread
    rows = np.flatnonzero(is_known & (scores > z)).tolist()
    usual = round(float(np.expm1(median)))
    return [Finding(row, check, f"{name} {values[row]:g}, where most have about {usual}") for row in rows]
