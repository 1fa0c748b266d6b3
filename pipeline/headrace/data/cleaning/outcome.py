"""The outcome of cleaning: the columns to drop, the spec of the clean rows, and the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from headrace.contracts import Assumption, ColumnFinding, Json, Metrics, RowChecker, Spec
from headrace.data.cleaning.checks import ALL_CHECKS, Rule, describe_setting
from headrace.data.cleaning.class_sizes import count_distinct_labels, count_rows_by_class, summarize_rejections
from headrace.data.cleaning.decide import CleaningDecision
from headrace.data.cleaning.scan import RowIndex, enabled_options
from headrace.errors import DataError


class QuarantineBounds(NamedTuple):
    """Fractions of the rows that cleaning may reject."""

    rows: float
    """Of the rows that have a usable target."""
    targets: float
    """Of all rows: for want of a usable target."""


TARGET_CHECKS = {"missing_label", "unknown_label"}
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


def check_bounds(row_index: RowIndex, decision: CleaningDecision, bounds: QuarantineBounds, where: str) -> None:
    """Raises DataError, with the reason that took most rows, if more of them are rejected than the settings allow."""
    rejected = decision.rejections
    without_target = {row for row, findings in rejected.items() if TARGET_CHECKS & {f.check for f in findings}}
    others = rejected.keys() - without_target
    for rows, total, noun, key, limit in (
        (without_target, row_index.num_rows, "have no usable target", "max_rejected_targets", bounds.targets),
        (others, row_index.num_rows - len(without_target), "are rejected", "max_quarantined", bounds.rows),
    ):
        if len(rows) <= limit * total:
            continue
        findings = [rejected[row] for row in sorted(rows)]
        most = Counter(found[0].check for found in findings).most_common(1)[0][0]
        first = next(found[0] for found in findings if found[0].check == most)
        raise DataError(
            f"{where}: {len(rows):,} of {total:,} rows {noun} ({summarize_rejections(findings)}), such as"
            f" {row_index.name_row(first.row)}: {first.reason}; at most {limit:.0%} may; correct the source, set"
            f" {describe_setting(most, 'warn')} where that is sound, or raise clean.{key}"
        )


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
    assumptions = [*raw.assumptions, *decision.assumptions, *_assume_columns(raw, columns, decision, survey)]
    update = {
        "num_rows": int(is_accepted.sum()),
        "classes": classes,
        "columns": remaining,
        "other_columns": [*raw.other_columns, *(each.name for each in raw.columns if each.name in dropped)],
        "assumptions": assumptions,
    }
    return raw.model_copy(update=update)


def _assume_columns(
    raw: Spec, columns: list[ColumnFinding], decision: CleaningDecision, survey: Json
) -> list[Assumption]:
    """Remarks about columns that are left out, and about the order of day and month in dates."""
    assumptions = []
    kinds = {column.name: column.kind for column in raw.columns}
    for finding in columns:
        if decision.rules[finding.check].severity != "drop":
            continue
        is_warning = finding.check == "id_column" and kinds[finding.column] != "numeric"
        assumptions.append(
            Assumption(
                stage="clean",
                subject=f"column {finding.column!r}",
                text=f"left out: {finding.reason}",
                setting=f"clean.checks.{finding.check}: warn",
                is_warning=is_warning,
            )
        )
    for name, facts in survey.get("columns", {}).items():
        day_first, month_first = facts.get("num_by_order") or (0, 0)
        if day_first or month_first:
            order = "day first" if facts["order"] == "dmy" else "month first"
            evidence = f"{day_first:,} of its cells are dates day first, {month_first:,} month first"
            assumptions.append(
                Assumption(
                    stage="clean",
                    subject=f"column {name!r}",
                    text=f"3/4/2024 is read {order}: {evidence}",
                    setting=f"ingest.table.date_order: {'mdy' if facts['order'] == 'dmy' else 'dmy'}",
                    is_warning=day_first == month_first,
                )
            )
    return assumptions


def count_outcomes(
    clean: Spec, row_index: RowIndex, decision: CleaningDecision, columns: list[ColumnFinding]
) -> Metrics:
    """Returns the metrics of cleaning: rows in and out, and rows and columns by check."""
    counts, rules = decision.counts(), decision.rules
    by_check = {
        f"{OUTCOMES[rule.severity]}_{name}": counts[OUTCOMES[rule.severity], name]
        for name, rule in rules.items()
        if rule.severity != "off" and ALL_CHECKS[name].subject == "row"
    }
    by_column_check = {name: 0 for name in rules if ALL_CHECKS[name].subject == "column"}
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
