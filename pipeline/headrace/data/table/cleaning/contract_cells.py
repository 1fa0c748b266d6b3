"""Finds and repairs the cells of a table that break a contract's rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.contracts import Finding, Json
from headrace.data.cleaning.contract.rules import list_rules
from headrace.data.table.cleaning.cells import TypedColumn
from headrace.data.table.parsing import strip_whitespace
from headrace.paths import CONTRACT

Mask = NDArray[np.bool_]


def find_cell_breaches(columns: Mapping[str, TypedColumn], options: Json) -> Iterator[Finding]:
    """Yields the rows whose cells break a rule; a missing or broken cell breaks only `required`."""
    for check, rule in list_rules(options, "cell"):
        cells = columns[rule["column"]]
        for row in np.flatnonzero(_is_broken(cells, rule)).tolist():
            text = "has no value" if rule["test"] == "required" else f"{cells.quote(row)} {_describe(rule, cells)}"
            yield Finding(row, check, f"{rule['name']}: {text} ({CONTRACT}: {rule['key']})")


def repair_cells(name: str, clean: pa.Array, cells: TypedColumn, options: Json) -> tuple[pa.Array, list[int]]:
    """Returns a clean column with the values of broken cells at the limit, or missing; and the rows that changed."""
    is_changed = np.zeros(len(cells.raw), np.bool_)
    for _, rule in list_rules(options, "cell"):
        if rule["column"] != name:
            continue
        is_broken = _is_broken(cells, rule) & clean.is_valid().to_numpy(zero_copy_only=False)
        clean = pc.if_else(pa.array(is_broken), _limit(clean, rule) if rule["test"] == "range" else None, clean)
        is_changed |= is_broken
    rows: list[int] = np.flatnonzero(is_changed).tolist()
    return clean, rows


def _is_broken(cells: TypedColumn, rule: Json) -> Mask:
    """`[rows]`: whether a cell breaks the rule."""
    is_missing: Mask = cells.is_broken | _find_missing(cells)
    if rule["test"] == "required":
        return is_missing
    if rule["test"] == "range":
        values = cells.dates.astype("M8[us]").astype(np.int64) if cells.kind == "date" else cells.numbers
        is_outside: Mask = (values < rule["low"]) | (values > rule["high"])
        return ~is_missing & is_outside
    if rule["test"] == "values":
        if cells.kind == "numeric":
            return ~is_missing & ~np.isin(cells.numbers, rule["allowed"])
        is_allowed = pc.is_in(cells.text, value_set=pa.array(rule["allowed"], pa.string()))
    else:
        is_allowed = pc.match_substring_regex(strip_whitespace(cells.raw), f"^(?:{rule['regex']})$").fill_null(True)
    is_other: Mask = ~is_allowed.to_numpy(zero_copy_only=False)
    return ~is_missing & is_other


def _find_missing(cells: TypedColumn) -> Mask:
    if cells.kind in {"numeric", "time"}:
        return np.isnan(cells.numbers)
    mask: Mask = np.isnat(cells.dates) if cells.kind == "date" else cells.text.is_null().to_numpy(zero_copy_only=False)
    return mask


def _limit(clean: pa.Array, rule: Json) -> pa.Array:
    """The values, at most as large and small as the rule allows."""
    if pa.types.is_timestamp(clean.type):
        microseconds = clean.cast(pa.int64())
        bounds = np.clip([rule["low"], rule["high"]], -(2.0**62), 2.0**62).astype(np.int64)
        clipped = pc.max_element_wise(pc.min_element_wise(microseconds, int(bounds[1])), int(bounds[0]))
        return clipped.cast(clean.type)
    return pc.max_element_wise(pc.min_element_wise(clean, rule["high"]), rule["low"])


def _describe(rule: Json, cells: TypedColumn) -> str:
    if rule["test"] != "range":
        return "does not match the pattern" if rule["test"] == "pattern" else "is not allowed"
    low, high = (
        str(np.datetime64(int(limit), "us")) if cells.kind == "date" and np.isfinite(limit) else f"{limit:g}"
        for limit in (rule["low"], rule["high"])
    )
    return f"is outside {low} to {high}"
