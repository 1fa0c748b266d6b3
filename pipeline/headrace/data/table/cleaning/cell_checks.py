"""The checks of single cells: what is no number, lies out of range, is no date or stands far from its column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.data.table.cleaning.profile import NORMAL_MAD
from headrace.errors import ConfigError, choices

if TYPE_CHECKING:
    from headrace.data.table.cleaning.cells import TypedColumn

RANGES = "params.yaml: clean.checks.out_of_range.ranges"


class Faults(NamedTuple):
    """The rows of a column where a check finds something."""

    check: str
    rows: NDArray[np.intp]
    why: str
    """What is to be said behind the cell."""


def unparsable_cells(cells: TypedColumn) -> Faults:
    """Cells that cannot be kept, whatever is asked for: they have no value of the column's type."""
    if cells.kind == "numeric":
        return Faults("mixed_types", np.flatnonzero(cells.is_broken), "is no number")
    return Faults("impossible_date", np.flatnonzero(cells.is_broken), "is no date")


def implausible_cells(name: str, cells: TypedColumn, options: Json) -> Iterator[Faults]:
    """Cells that have a value, but none that can be meant, by the settings of the checks that are on."""
    if cells.kind == "numeric":
        if "out_of_range" not in options:
            return
        yield Faults("out_of_range", np.flatnonzero(np.isinf(cells.numbers)), "is infinite")
        low, high = _limits(options["out_of_range"]["ranges"].get(name))
        values = np.where(np.isinf(cells.numbers), np.nan, cells.numbers)
        is_outside = (values < low) | (values > high)
        yield Faults("out_of_range", np.flatnonzero(is_outside), f"lies outside {low:g} to {high:g}")
    elif "impossible_date" in options:
        first, last = options["impossible_date"]["from"], options["impossible_date"]["to"]
        years = cells.dates.astype("M8[Y]").astype("i8") + 1970
        is_outside = ~np.isnat(cells.dates) & ((years < first) | (years > last))
        yield Faults("impossible_date", np.flatnonzero(is_outside), f"lies outside the years {first} to {last}")


def outlying_cells(cells: TypedColumn, facts: Json, z: float) -> list[tuple[int, str]]:
    """Rows whose quantity is more than `z` robust deviations from the median, and what is to be said of each.

    Where half of the cells are the same there is no such deviation, and nothing is found.
    """
    if cells.quantities is None or not facts["mad"]:
        return []
    with np.errstate(over="ignore"):
        deviations = np.abs(cells.quantities - facts["median"]) / (NORMAL_MAD * facts["mad"])
    median = f"{facts['median']:g}" if cells.kind == "numeric" else "date"
    return [
        (row, f"is {deviations[row]:.1f} robust deviations from the median {median}")
        for row in np.flatnonzero(deviations > z).tolist()
    ]


def check_ranges(spec: Spec, options: Json) -> None:
    """Raises ConfigError where `ranges` names no numeric column, or holds no two numbers in order."""
    names = [column.name for column in spec.columns if column.kind == "numeric"]
    ranges = options.get("out_of_range", {}).get("ranges", {})
    if not isinstance(ranges, dict):
        raise ConfigError(f"{RANGES}: got {ranges!r}; must be columns and their [low, high]")
    for name, limits in ranges.items():
        if name not in names:
            raise ConfigError(f"{RANGES}: {name!r} is no numeric column; {choices(str(name), names)}")
        if not _is_range(limits):
            raise ConfigError(f"{RANGES}.{name}: got {limits!r}; must be [low, high], null where there is no limit")


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
