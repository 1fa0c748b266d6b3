"""The outcome of cleaning: the columns to drop, the spec of the clean rows, and the metrics."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.contracts import ColumnFinding, Json, Metrics, RowChecker, Spec
from headrace.data.cleaning.checks import CHECKS, Rule
from headrace.data.cleaning.class_sizes import count_distinct_labels, count_rows_by_class, summarize_rejections
from headrace.data.cleaning.decide import CleaningDecision
from headrace.data.cleaning.scan import RowIndex, enabled_options
from headrace.errors import DataError

TARGETS = {"classification": "classes", "multilabel": "different sets of labels", "regression": "different targets"}
"""Noun, by task, for the distinct targets of which at least two must remain."""
OUTCOMES = {"drop": "quarantined", "error": "quarantined", "repair": "repaired", "warn": "warned"}


def check_columns(
    checker: RowChecker, spec: Spec, survey: Json, rules: Mapping[str, Rule], where: str
) -> list[ColumnFinding]:
    """Returns the findings about columns; raises DataError if the severity of one is `error`."""
    findings = [f for f in checker.check_columns(spec, survey, enabled_options(rules)) if f.check in rules]
    error = next((finding for finding in findings if rules[finding.check].severity == "error"), None)
    if error:
        raise DataError(
            f"{where}: column {error.column!r}: {error.reason} ({error.check}); fix it, leave it out"
            f" (ingest.columns: {{{error.column}: ignore}}), or set clean.checks.{error.check}: warn"
        )
    return findings


def make_clean_spec(
    raw: Spec, row_index: RowIndex, decision: CleaningDecision, columns: list[ColumnFinding], survey: Json, where: str
) -> Spec:
    """Returns the spec of the clean rows; raises DataError if nothing can be learned from them."""
    is_accepted = decision.is_accepted
    num_targets = count_distinct_labels(row_index, is_accepted)
    if num_targets < 2:  # noqa: PLR2004
        rejected = summarize_rejections(decision.rejections.values())
        raise DataError(
            f"{where}: usable rows of {num_targets} {TARGETS[raw.task]} ({rejected}); at least two are needed; add"
            " rows of others, or fix the rejected ones"
        )
    dropped = {finding.column for finding in columns if decision.rules[finding.check].severity == "drop"}
    date_orders = {name: {"date_order": entry["order"]} for name, entry in survey.get("columns", {}).items()}
    remaining = [
        column.model_copy(update=date_orders.get(column.name, {}))
        for column in raw.columns
        if column.name not in dropped
    ]
    if raw.modality == "table" and not remaining:
        reasons = "; ".join(f"{finding.column}: {finding.reason}" for finding in columns[:5])
        raise DataError(f"{where}: no column is left to learn from ({reasons}); add more columns")
    classes = [name for name, size in count_rows_by_class(row_index, is_accepted).items() if size]
    classes = [] if raw.task == "regression" else classes
    return raw.model_copy(update={"num_rows": int(is_accepted.sum()), "classes": classes, "columns": remaining})


def count_outcomes(
    clean: Spec, row_index: RowIndex, decision: CleaningDecision, columns: list[ColumnFinding]
) -> Metrics:
    """Returns the metrics of cleaning: rows in and out, and rows and columns by check."""
    counts, rules = decision.counts(), decision.rules
    by_check = {
        f"{OUTCOMES[rule.severity]}_{name}": counts[OUTCOMES[rule.severity], name]
        for name, rule in rules.items()
        if rule.severity != "off" and CHECKS[name].subject == "row"
    }
    by_column_check = {name: 0 for name in rules if CHECKS[name].subject == "column"}
    for finding in columns:
        by_column_check[finding.check] += 1
    repaired = {note.row for note in decision.accepted_notes() if rules[note.check].severity == "repair"}
    sizes = [size for size in count_rows_by_class(row_index, decision.is_accepted).values() if size]
    return {
        "rows_in": row_index.num_rows,
        "rows_out": clean.num_rows,
        "quarantined": row_index.num_rows - clean.num_rows,
        "repaired": len(repaired),
        "classes": len(clean.classes),
        "imbalance": 0 if clean.task == "regression" else max(sizes) / min(sizes),
        **by_check,
        **{f"columns_{name}": number for name, number in by_column_check.items()},
    }
