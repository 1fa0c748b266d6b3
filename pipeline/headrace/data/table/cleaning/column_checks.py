"""The checks of whole columns: what is missing, says nothing, repeats another, names its row or tells the target."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headrace.contracts import Column, ColumnFinding, Json, Spec

MIN_ROWS = 50
"""In fewer rows, values that are all different are no sign of an id."""
ID_NAME = re.compile(r"(?i)(^|[^a-z])(id|no|nr|num|number|index|idx|key|row|uuid|guid|unnamed.*)$|[a-z]I[dD]$")
"""What columns are called that number rows: `id`, `row_no`, `PassengerId`."""
NEARLY_ALL = 0.98
"""Of the rows: distinct values are an estimate where they are many."""


def column_findings(spec: Spec, survey: Json, options: Json) -> list[ColumnFinding]:
    """In the order of the columns; of a column that says nothing no second thing is told."""
    facts, num_rows = survey["columns"], survey["num_rows"]
    found = []
    repeats = _repeats(spec, facts) if "duplicate_column" in options else {}
    for column in spec.columns:
        about = facts[column.name]
        if "constant_column" in options and (reason := _constant(about, num_rows)):
            found.append(ColumnFinding(column.name, "constant_column", reason))
        elif column.name in repeats:
            reason = f"the same cells as column {repeats[column.name]!r}"
            found.append(ColumnFinding(column.name, "duplicate_column", reason))
        else:
            found += [ColumnFinding(column.name, *finding) for finding in _others(column, about, num_rows, options)]
    return found


def _constant(about: Json, num_rows: int) -> str | None:
    if about["missing"] == num_rows:
        return f"no cell of {num_rows:,} has a value" + (" that can be read" if about["broken"] else "")
    # a single value is something to learn from where some rows do not have it
    if about["distinct"] == 1 and not about["missing"]:
        return f"all {num_rows:,} cells are the same"
    return None


def _repeats(spec: Spec, facts: Json) -> dict[str, str]:
    """Columns whose cells are, up to spelling, those of an earlier one."""
    first: dict[str, str] = {}
    repeats = {}
    for column in spec.columns:
        original = first.setdefault(facts[column.name]["digest"], column.name)
        if original != column.name:
            repeats[column.name] = original
    return repeats


def _others(column: Column, about: Json, num_rows: int, options: Json) -> Iterator[tuple[str, str]]:
    num_broken, num_missing = about["broken"], about["missing"]
    if "missing_cell" in options and num_missing:
        broken = f", of which {num_broken:,} cannot be read as {column.kind}" if num_broken else ""
        yield "missing_cell", f"{num_missing:,} of {num_rows:,} cells ({num_missing / num_rows:.2%}){broken}"
    if "id_column" in options and num_rows > MIN_ROWS:
        reason = _id(column, about, num_rows, options["id_column"]["max_share"])
        if reason:
            yield "id_column", reason
    score = about["score"]
    if "leakage" in options and score is not None and score >= options["leakage"]["min_score"]:
        yield "leakage", f"tells the target by itself (score {score:.4f} of 1); is it known before the target is?"


def _id(column: Column, about: Json, num_rows: int, max_share: float) -> str | None:
    distinct = about["distinct"]
    share = distinct / num_rows
    if column.kind in {"categorical", "text", "image"}:
        return f"{distinct:,} distinct values in {num_rows:,} rows ({share:.0%})" if share > max_share else None
    if column.kind != "numeric" or not about["is_whole"] or about["missing"]:
        return None
    if about["is_counting"]:
        return f"numbers the rows from {about['low']:.0f} to {about['high']:.0f}"
    if ID_NAME.search(column.name) and share > NEARLY_ALL:
        return f"named as an id, and {distinct:,} distinct whole numbers in {num_rows:,} rows"
    return None
