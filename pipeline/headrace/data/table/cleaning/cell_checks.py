"""Checks of single cells: unparsable numbers and dates, values out of range, outliers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.data.table.cleaning.cells import TypedColumn
from headrace.data.table.cleaning.profile import NORMAL_MAD
from headrace.data.table.parsing import LARGEST
from headrace.errors import ConfigError, choices

RANGES = "params.yaml: clean.checks.out_of_range.ranges"


class FaultyCells(NamedTuple):
    """Rows of a column whose cells fail a check."""

    check: str
    rows: NDArray[np.intp]
    reason: str
    """Text that follows the quoted cell."""


def unparsable_cells(cells: TypedColumn) -> FaultyCells:
    """Cells without a value of the column's type; they become null under any settings."""
    if cells.kind == "numeric":
        return FaultyCells("mixed_types", np.flatnonzero(cells.is_broken), "is not a number")
    return FaultyCells("impossible_date", np.flatnonzero(cells.is_broken), f"is not a valid {cells.kind}")


def implausible_cells(name: str, cells: TypedColumn, options: Json) -> Iterator[FaultyCells]:
    """Cells whose value is out of range, by the options of the enabled checks."""
    if cells.kind == "numeric":
        if "out_of_range" not in options:
            return
        yield FaultyCells("out_of_range", np.flatnonzero(np.isinf(cells.numbers)), f"is beyond {LARGEST:g}")
        low, high = _limits(options["out_of_range"]["ranges"].get(name))
        values = np.where(np.isinf(cells.numbers), np.nan, cells.numbers)
        is_outside = (values < low) | (values > high)
        yield FaultyCells("out_of_range", np.flatnonzero(is_outside), f"is outside {low:g} to {high:g}")
    elif cells.kind == "date" and "impossible_date" in options:
        first, last = options["impossible_date"]["from"], options["impossible_date"]["to"]
        years = cells.dates.astype("M8[Y]").astype("i8") + 1970
        is_outside = ~np.isnat(cells.dates) & ((years < first) | (years > last))
        yield FaultyCells("impossible_date", np.flatnonzero(is_outside), f"is outside the years {first} to {last}")


def outlying_cells(cells: TypedColumn, facts: Json, z: float) -> list[tuple[int, str]]:
    """Rows whose quantity is more than `z` robust deviations from the median, each with a reason.

    Empty if half of the cells are equal, because the deviation is then 0, and for times of day, which go in circles.
    """
    if cells.quantities is None or cells.kind == "time" or not facts["mad"]:
        return []
    with np.errstate(over="ignore"):
        deviations = np.abs(cells.quantities - facts["median"]) / (NORMAL_MAD * facts["mad"])
    median = f"{facts['median']:g}" if cells.kind == "numeric" else "date"
    return [
        (row, f"is {deviations[row]:.1f} robust deviations from the median {median}")
        for row in np.flatnonzero(deviations > z).tolist()
    ]


def check_ranges(spec: Spec, options: Json) -> None:
    """Raises ConfigError if `ranges` names a column that is not numeric, or a range is not two ordered numbers."""
    names = [column.name for column in spec.columns if column.kind == "numeric"]
    ranges = options.get("out_of_range", {}).get("ranges", {})
    for name, limits in ranges.items():
        if name not in names:
            raise ConfigError(f"{RANGES}: {name!r} is not a numeric column; {choices(str(name), names)}")
        if not _is_range(limits):
            raise ConfigError(f"{RANGES}.{name}: got {limits!r}; must be [low, high]; null means no limit")


def _is_range(limits: object) -> bool:
    if not isinstance(limits, list) or len(limits) != 2:  # noqa: PLR2004
        return False
    if not all(limit is None or (isinstance(limit, int | float) and not isinstance(limit, bool)) for limit in limits):
        return False
    low, high = _limits(limits)
    return low <= high


def _limits(limits: list[float | None] | None) -> tuple[float, float]:
    low, high = limits or (None, None)
    return -float("inf") if low is None else low, float("inf") if high is None else high
