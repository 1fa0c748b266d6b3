"""Clean: data/raw -> data/clean, data/quarantine, reports/clean.html. Checks every row; none is lost."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.cluster.batch_engine import StoredRows, open_engine
from headrace.config import list_dvc_deps
from headrace.contracts import ColumnFinding, Metrics, Spec
from headrace.data.checkers import CHECKERS
from headrace.data.cleaning.checks import (
    CONTRACT_CHECKS,
    is_severity_set,
    list_skipped_checks,
    resolve_rules,
    settle_duplicates,
)
from headrace.data.cleaning.contract.breaches import find_repeats
from headrace.data.cleaning.contract.rules import compare_columns, compile_rules
from headrace.data.cleaning.contract.totals import check_totals
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
from headrace.data.cleaning.scan import RowIndex, enabled_options, scan_rows, survey_rows
from headrace.data.sources.assumptions import warn_of_assumptions
from headrace.paths import CONTRACT, Paths
from headrace.settings.clean import Config
from headrace.storage.atomic import atomic_dir, write_text
from headrace.storage.scratch import open_scratch

if TYPE_CHECKING:
    from headrace.data.cleaning.contract.settings import Contract

logger = logging.getLogger(__name__)


def run(config: Config, paths: Paths) -> Metrics:
    """Separates the rows into clean and rejected ones; raises DataError if too few rows or classes remain.

    The engine reads every row once. It stores an id, a label, hashes and measures of each row on disk.
    """
    spec, where = Spec.read(paths.raw_dir), str(paths.raw_dir)
    column_kinds = {column.kind for column in spec.columns}
    checker, rules = CHECKERS[spec.modality], resolve_rules(config.checks, spec.modality, spec.task, column_kinds)
    contract = _read_contract(paths)
    remarks = compare_columns(contract, spec) if contract else []
    rules |= compile_rules(contract, spec) if contract else {}
    with open_scratch(paths.state_dir / "scratch" / "clean") as scratch:
        with open_engine(config.engine, paths.raw_dir, paths, spec.modality) as engine:
            rows = StoredRows(paths.raw_dir, engine, "clean")
            survey = survey_rows(rows, checker, spec, rules)
            columns = check_columns(checker, spec, survey, rules, "data/raw")
            rules = settle_duplicates(rules, config.checks, columns)
            row_index = scan_rows(rows, checker, spec, rules, survey=survey, scratch=scratch)
        row_index.findings += find_repeats(paths.raw_dir, enabled_options(rules))
        decision = decide_rows(row_index, checker, spec, rules, where)
        bounds = QuarantineBounds(config.max_quarantined, config.max_rejected_targets)
        check_bounds(row_index, decision, bounds, where)
        decision.remarks += [*remarks, *list_skipped_checks(spec.modality, spec.task)]
        clean = make_clean_spec(spec, row_index, decision, columns, survey, where)
        metrics = count_outcomes(clean, row_index, decision, columns)
        with atomic_dir(paths.clean_dir) as folder, atomic_dir(paths.quarantine_dir) as quarantine:
            # dropped columns stay in the files, so they are converted and repaired like the others
            into = (folder, quarantine)
            write_rows(paths.raw_dir, into, spec=spec, checker=checker, decision=decision, survey=survey)
            _write_files(folder, clean, row_index, decision)
            if contract:
                shutil.copyfile(paths.contract_path, quarantine / CONTRACT)
            decision.remarks += check_totals(contract, spec, folder) if contract else []
        _write_report(paths, clean, row_index, decision, columns, metrics)
    _warn_of_breaches(decision)
    if not is_severity_set(config.checks, "duplicate"):
        warn_of_assumptions(decision.assumptions)
    warn_of_assumptions(clean.assumptions[len(spec.assumptions) + len(decision.assumptions) :])
    return metrics


def _read_contract(paths: Paths) -> Contract | None:
    """Reads `contract.yaml`, and warns if DVC would not notice an edit of it."""
    if not paths.contract_path.is_file():
        return None
    from headrace.data.cleaning.contract.settings import read_contract  # most projects need none of its classes

    deps = list_dvc_deps(paths.root / "dvc.yaml", "clean")
    if deps is not None and CONTRACT not in deps:
        logger.warning(
            "dvc.yaml: stages.clean.deps does not list %r, so dvc repro will not see its changes; add it", CONTRACT
        )
    return read_contract(paths.contract_path)


def _write_files(folder: Path, clean: Spec, row_index: RowIndex, decision: CleaningDecision) -> None:
    write_findings(folder / "findings.parquet", decision, row_index)
    write_groups(folder / "groups.parquet", decision, row_index.scratch.open("row_ids"))
    write_text(folder / "spec.json", clean.to_json())


def _warn_of_breaches(decision: CleaningDecision) -> None:
    """Logs what breaks the contract, unless it is quarantined or repaired."""
    rows = {finding.row for finding in decision.accepted_notes() if finding.check == "contract_warn"}
    if rows:
        logger.warning("clean: %s accepted rows break rules of %s; see reports/clean.html", f"{len(rows):,}", CONTRACT)
    for check, text in decision.remarks:
        if check in CONTRACT_CHECKS:
            logger.warning("clean: %s", text)


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
