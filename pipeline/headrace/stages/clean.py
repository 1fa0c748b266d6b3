"""Clean: data/raw -> data/clean, data/quarantine, reports/clean.html. Checks every row; none is lost."""

from __future__ import annotations

from headrace.cluster.batch_engine import StoredRows, open_engine
from headrace.contracts import ColumnFinding, Json, Metrics, Spec
from headrace.data.checkers import CHECKERS
from headrace.data.cleaning.checks import is_severity_set, list_skipped_checks, resolve_rules, settle_duplicates
from headrace.data.cleaning.decide import CleaningDecision, decide_rows
from headrace.data.cleaning.outcome import (
    QuarantineBounds,
    check_bounds,
    check_columns,
    count_outcomes,
    make_clean_spec,
)
from headrace.data.cleaning.quarantine import write_findings, write_groups, write_rows
from headrace.data.cleaning.report.build import build_report, collect_examples
from headrace.data.cleaning.report.page import render_report
from headrace.data.cleaning.scan import RowIndex, scan_rows, survey_rows
from headrace.data.sources.assumptions import warn_of_assumptions
from headrace.paths import Paths
from headrace.settings.clean import Config
from headrace.storage.atomic import atomic_dir, write_text
from headrace.storage.scratch import open_scratch


def run(config: Config, paths: Paths) -> Metrics:
    """Separates the rows into clean and rejected ones; raises DataError if too few rows or classes remain.

    The engine reads every row once. It stores an id, a label, hashes and measures of each row on disk.
    """
    spec, where = Spec.read(paths.raw_dir), str(paths.raw_dir)
    column_kinds = {column.kind for column in spec.columns}
    checker, rules = CHECKERS[spec.modality], resolve_rules(config.checks, spec.modality, spec.task, column_kinds)
    with open_scratch(paths.state_dir / "scratch" / "clean") as scratch:
        with open_engine(config.engine, paths.raw_dir, paths, spec.modality) as engine:
            rows = StoredRows(paths.raw_dir, engine, "clean")
            survey = survey_rows(rows, checker, spec, rules)
            columns = check_columns(checker, spec, survey, rules, "data/raw")
            rules = settle_duplicates(rules, config.checks, columns)
            row_index = scan_rows(rows, checker, spec, rules, survey=survey, scratch=scratch)
        decision = decide_rows(row_index, checker, spec, rules, where)
        bounds = QuarantineBounds(config.max_quarantined, config.max_rejected_targets)
        check_bounds(row_index, decision, bounds, where)
        decision.remarks += list_skipped_checks(spec.modality, spec.task)
        clean = make_clean_spec(spec, row_index, decision, columns, survey, where)
        metrics = count_outcomes(clean, row_index, decision, columns)
        _write_rows(paths, spec, clean, row_index, decision, survey)
        _write_report(paths, clean, row_index, decision, columns, metrics)
    if not is_severity_set(config.checks, "duplicate"):
        warn_of_assumptions(decision.assumptions)
    warn_of_assumptions(clean.assumptions[len(spec.assumptions) + len(decision.assumptions) :])
    return metrics


def _write_rows(
    paths: Paths, raw: Spec, clean: Spec, row_index: RowIndex, decision: CleaningDecision, survey: Json
) -> None:
    row_ids = row_index.scratch.open("row_ids")
    with atomic_dir(paths.clean_dir) as folder, atomic_dir(paths.quarantine_dir) as quarantine:
        # dropped columns stay in the files, so they are converted and repaired like the others
        checker = CHECKERS[raw.modality]
        write_rows(paths.raw_dir, (folder, quarantine), spec=raw, checker=checker, decision=decision, survey=survey)
        write_findings(folder / "findings.parquet", decision, row_index)
        write_groups(folder / "groups.parquet", decision, row_ids)
        write_text(folder / "spec.json", clean.to_json())


def _write_report(
    paths: Paths,
    clean: Spec,
    row_index: RowIndex,
    decision: CleaningDecision,
    columns: list[ColumnFinding],
    metrics: Metrics,
) -> None:
    examples = collect_examples(paths.raw_dir, row_index, decision, CHECKERS[clean.modality].render_html)
    report = build_report(clean, row_index, decision, columns=columns, metrics=metrics, examples=examples)
    write_text(paths.clean_report_path, render_report(report))
