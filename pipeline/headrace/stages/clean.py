"""Clean: data/raw -> data/clean, data/quarantine, reports/clean.html. Judges every row; none is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from headrace.config import Section
from headrace.contracts import Column, ColumnFinding, Json, Metrics, RowChecker, Spec
from headrace.data.cleaning import checks
from headrace.data.cleaning.checks import check_required_severities, validate_checks
from headrace.errors import DataError
from headrace.paths import Paths

if TYPE_CHECKING:
    from headrace.data.cleaning.decide import CleaningDecision
    from headrace.data.cleaning.scan import RowIndex
    from headrace.storage.scratch import Scratch

KINDS = {"classification": "classes", "multilabel": "different sets of labels", "regression": "different targets"}
"""What at least two of are needed, by task."""


class Config(Section):
    """Which rows may go on."""

    checks: dict[str, str | dict[str, Any]] = {}
    """By name of a check: its severity (error, drop, repair, warn, off), or that and its options.

    For example `{blurred: drop, rare_class: {severity: drop, min_rows: 10}}`; see docs/checks.md for all of them.
    """
    engine: Literal["auto", "local", "ray"] = "auto"
    """local: processes of this machine; ray: Ray Data; auto: ray inside a Ray job when the data are large."""

    @field_validator("checks")
    @classmethod
    def _checks_are_known(cls, settings: dict[str, Any]) -> dict[str, Any]:
        found = validate_checks(settings)
        if found:
            raise ValueError("; and ".join(f"checks.{mistake}" for mistake in found))
        return settings


def run(config: Config, paths: Paths) -> Metrics:
    """Parts the rows into clean and rejected ones; raises DataError where too few of a class, or classes, are left.

    Rows are looked at once, by the engine; what is kept of each, on disk, is an id, a label, hashes and measures.
    """
    from headrace.cluster.batch_engine import StoredRows, open_engine
    from headrace.data.checkers import EXAMINERS
    from headrace.data.cleaning.decide import decide_rows
    from headrace.data.cleaning.scan import scan_rows

    spec = Spec.read(paths.raw_dir)
    examiner, rules = EXAMINERS[spec.modality], checks.resolve_rules(config.checks, spec.modality, spec.task)
    check_required_severities(rules, spec.modality, spec.task)
    with _scratch(paths) as scratch:
        with open_engine(config.engine, paths.raw_dir, paths) as run_on:
            rows = StoredRows(paths.raw_dir, run_on, "clean")
            facts, survey = scan_rows(rows, examiner, spec, rules, scratch)
        judgement = decide_rows(facts, examiner, spec, rules, str(paths.raw_dir))
        judgement.remarks += checks.list_skipped_checks(spec.modality, spec.task)
        columns = [found for found in _columns(examiner, spec, survey, rules) if found.check in rules]
        told = spec.model_copy(update={"columns": [_surveyed(column, survey) for column in spec.columns]})
        clean = _clean_spec(told, facts, judgement, columns=columns, where=paths.raw_dir)
        metrics = _metrics(clean, facts, judgement, columns)
        _write(paths, clean, facts, judgement, survey=survey)
        _report(paths, clean, facts, judgement, columns=columns, metrics=metrics)
    return metrics


@contextmanager
def _scratch(paths: Paths) -> Iterator[Scratch]:
    """Room on disk for what is known of the rows; what a killed run left there is removed."""
    from headrace.storage.scratch import Scratch

    folder = paths.state_dir / "scratch" / "clean"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    scratch = Scratch(folder)
    try:
        yield scratch
    finally:
        scratch.close()
        shutil.rmtree(folder, ignore_errors=True)


def _columns(examiner: RowChecker, spec: Spec, survey: Json, rules: Mapping[str, checks.Rule]) -> list[ColumnFinding]:
    options = {name: rule.options for name, rule in rules.items() if rule.severity != "off"}
    found = examiner.columns(spec, survey, options)
    stop = next((one for one in found if rules[one.check].severity == "error"), None)
    if stop:
        raise DataError(
            f"data/raw: column {stop.column!r}: {stop.reason} ({stop.check}); mend it, leave it out"
            f" (ingest.columns: {{{stop.column}: ignore}}), or set clean.checks.{stop.check}: warn"
        )
    return found


def _surveyed(column: Column, survey: Json) -> Column:
    """A column with what the look at all rows told of it; only of tables are columns looked at."""
    found = survey.get("columns", {}).get(column.name)
    return column.model_copy(update={"date_order": found["order"]}) if found else column


def _clean_spec(
    spec: Spec, facts: RowIndex, judgement: CleaningDecision, *, columns: list[ColumnFinding], where: Path
) -> Spec:
    """What the clean rows are; raises DataError where nothing can be learned from them."""
    from headrace.data.cleaning.class_sizes import summarize_rejections, count_distinct_labels, count_rows_by_class
    from headrace.data.cleaning.decide import raise_errors

    raise_errors(facts, judgement, str(where))
    classes = [label for label, size in count_rows_by_class(facts, judgement.is_left).items() if size]
    num_different = count_distinct_labels(facts, judgement.is_left)
    if num_different < 2:  # noqa: PLR2004
        raise DataError(
            f"{where}: usable rows of {num_different} {KINDS[spec.task]} ({summarize_rejections(judgement.faults.values())}); at"
            " least two are needed; add rows of others, or mend those that were rejected"
        )
    dropped = {found.column for found in columns if judgement.rules[found.check].severity == "drop"}
    left = [column for column in spec.columns if column.name not in dropped]
    if spec.modality == "table" and not left:
        raise DataError(f"{where}: no column is left to learn from ({_told(columns)}); give more columns")
    return spec.model_copy(
        update={
            "num_rows": int(judgement.is_left.sum()),
            "classes": classes if spec.task != "regression" else [],
            "columns": left,
        }
    )


def _told(columns: list[ColumnFinding]) -> str:
    return "; ".join(f"{found.column}: {found.reason}" for found in columns[:5])


def _metrics(spec: Spec, facts: RowIndex, judgement: CleaningDecision, columns: list[ColumnFinding]) -> Metrics:
    from headrace.data.cleaning.class_sizes import count_rows_by_class

    counts, left = judgement.counts(), [size for size in count_rows_by_class(facts, judgement.is_left).values() if size]
    words = {"drop": "quarantined", "error": "quarantined", "repair": "repaired", "warn": "warned"}
    summarize_rejections = {
        f"{words[rule.severity]}_{name}": counts[words[rule.severity], name]
        for name, rule in judgement.rules.items()
        if rule.severity != "off" and checks.CHECKS[name].of == "row"
    }
    of_columns = {name: 0 for name, rule in judgement.rules.items() if checks.CHECKS[name].of == "column"}
    for found in columns:
        of_columns[found.check] += 1
    is_classified = spec.task != "regression"
    return {
        "rows_in": facts.num_rows,
        "rows_out": spec.num_rows,
        "quarantined": facts.num_rows - spec.num_rows,
        "repaired": len(
            {one.row for one in judgement.told_of_left() if judgement.rules[one.check].severity == "repair"}
        ),
        "classes": len(spec.classes),
        "imbalance": max(left) / min(left) if is_classified else 0,
        **summarize_rejections,
        **{f"columns_{name}": number for name, number in of_columns.items()},
    }


def _write(paths: Paths, spec: Spec, facts: RowIndex, judgement: CleaningDecision, *, survey: Json) -> None:
    from headrace.data.checkers import EXAMINERS
    from headrace.data.cleaning.quarantine import write_findings, write_groups, write_rows
    from headrace.storage.atomic import atomic_dir, write_text

    examiner, row_ids = EXAMINERS[spec.modality], facts.scratch.open("row_ids")
    with atomic_dir(paths.clean_dir) as clean, atomic_dir(paths.quarantine_dir) as quarantine:
        # columns that are dropped stay in the files, so they are typed and mended as the others are
        raw = Spec.read(paths.raw_dir)
        write_rows(paths.raw_dir, (clean, quarantine), spec=raw, examiner=examiner, judgement=judgement, survey=survey)
        write_findings(clean / "findings.parquet", judgement, row_ids)
        write_groups(clean / "groups.parquet", judgement, row_ids)
        write_text(clean / "spec.json", spec.text())


def _report(
    paths: Paths,
    spec: Spec,
    facts: RowIndex,
    judgement: CleaningDecision,
    *,
    columns: list[ColumnFinding],
    metrics: Metrics,
) -> None:
    from headrace.data.checkers import EXAMINERS
    from headrace.data.cleaning.report.build import build_report, collect_examples
    from headrace.data.cleaning.report.page import render_report
    from headrace.storage.atomic import write_text

    figures = collect_examples(paths.raw_dir, facts, judgement, EXAMINERS[spec.modality].picture)
    made = build_report(spec, facts, judgement, columns=columns, metrics=metrics, figures=figures)
    write_text(paths.clean_report_path, render_report(made))
