"""Checks of whole columns: missing cells, constant and duplicate columns, ids, and target leakage."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.contracts import Column, ColumnFinding, Json, Spec
from headrace.data.table.reading.columns.remarks import ID_NAME, NEARLY_ALL

MIN_ROWS = 50
"""With fewer rows, distinct values do not indicate an id."""


def check_columns(spec: Spec, survey: Json, options: Json) -> list[ColumnFinding]:
    """Returns findings in column order; a constant or duplicate column has only that one finding."""
    columns, num_rows = survey["columns"], survey["num_rows"]
    findings = []
    originals = _duplicates(spec, columns) if "duplicate_column" in options else {}
    for column in spec.columns:
        facts = columns[column.name]
        if "constant_column" in options and (reason := _constant_reason(facts, num_rows)):
            findings.append(ColumnFinding(column.name, "constant_column", reason))
        elif column.name in originals:
            reason = f"the same cells as column {originals[column.name]!r}"
            findings.append(ColumnFinding(column.name, "duplicate_column", reason))
        else:
            others = _other_findings(column, facts, num_rows, options)
            findings += [ColumnFinding(column.name, *finding) for finding in others]
    return findings


def _constant_reason(facts: Json, num_rows: int) -> str | None:
    if facts["missing"] == num_rows:
        return f"no cell of {num_rows:,} has a value" + (" that can be parsed" if facts["broken"] else "")
    # a single value is informative if other rows lack it
    if facts["distinct"] == 1 and not facts["missing"]:
        return f"all {num_rows:,} cells are the same"
    return None


def _duplicates(spec: Spec, facts: Json) -> dict[str, str]:
    """Column -> the earlier column with the same cells, ignoring spelling."""
    first: dict[str, str] = {}
    originals = {}
    for column in spec.columns:
        original = first.setdefault(facts[column.name]["digest"], column.name)
        if original != column.name:
            originals[column.name] = original
    return originals


def _other_findings(column: Column, facts: Json, num_rows: int, options: Json) -> Iterator[tuple[str, str]]:
    num_broken, num_missing = facts["broken"], facts["missing"]
    if "missing_cell" in options and num_missing:
        broken = f", of which {num_broken:,} cannot be parsed as {column.kind}" if num_broken else ""
        yield "missing_cell", f"{num_missing:,} of {num_rows:,} cells ({num_missing / num_rows:.2%}){broken}"
    if "id_column" in options and num_rows > MIN_ROWS:
        reason = _id_reason(column, facts, num_rows, options["id_column"]["max_share"])
        if reason:
            yield "id_column", reason
    score = facts["score"]
    if "leakage" in options and score is not None and score >= options["leakage"]["min_score"]:
        yield "leakage", f"predicts the target alone (score {score:.4f} of 1); is it known before the target is?"


def _id_reason(column: Column, facts: Json, num_rows: int, max_share: float) -> str | None:
    distinct = facts["distinct"]
    fraction = distinct / num_rows
    if column.kind in {"categorical", "image"}:  # texts hardly ever repeat
        return f"{distinct:,} distinct values in {num_rows:,} rows ({fraction:.0%})" if fraction > max_share else None
    if column.kind != "numeric" or not facts["is_integer"] or facts["missing"]:
        return None
    if facts["is_counting"]:
        return f"counts the rows from {facts['low']:.0f} to {facts['high']:.0f}"
    if ID_NAME.search(column.name) and fraction > NEARLY_ALL:
        return f"named as an id, and {distinct:,} distinct integers in {num_rows:,} rows"
    return None
