"""Builds the cleaning report: counts, charts, and example rows read from the raw data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path

from headrace.contracts import ColumnFinding, Finding, Json, Metrics, Spec
from headrace.data.cleaning.class_sizes import count_rows_by_class
from headrace.data.cleaning.decide import CleaningDecision
from headrace.data.cleaning.report.charts import build_class_chart, build_histogram
from headrace.data.cleaning.report.page import CheckExamples, ExampleRow, Report
from headrace.data.cleaning.scan import RowIndex
from headrace.storage.parquet import list_batches, read_batch

EXAMPLES_PER_CHECK = 12
MAX_HISTOGRAMS = 12


def build_report(
    spec: Spec,
    row_index: RowIndex,
    decision: CleaningDecision,
    *,
    columns: list[ColumnFinding],
    metrics: Metrics,
    examples: list[CheckExamples],
) -> Report:
    """Collects what the page shows."""
    is_accepted = decision.is_accepted
    counts: defaultdict[str, int] = defaultdict(int)
    for (_, check), number in decision.counts().items():
        counts[check] += number
    for check in [finding.check for finding in columns] + [check for check, _ in decision.remarks]:
        counts[check] += 1
    histograms = {
        name: build_histogram(row_index.scratch.read(f"measure:{name}"), is_accepted)
        for name in row_index.measures[:MAX_HISTOGRAMS]
    }
    drawn = {name: histogram for name, histogram in histograms.items() if histogram}
    numbers = [column.name for column in spec.columns if spec.modality == "table" and column.kind == "numeric"]
    sizes = count_rows_by_class(row_index), count_rows_by_class(row_index, is_accepted)
    return Report(
        source=spec.source,
        metrics=metrics,
        rules=dict(decision.rules),
        counts=dict(counts),
        columns=columns,
        remarks=decision.remarks,
        classes=build_class_chart(*sizes) if spec.task != "regression" else None,
        histograms=drawn,
        not_drawn=[name for name in dict.fromkeys([*row_index.measures, *numbers]) if name not in drawn],
        examples=examples,
        assumptions=spec.assumptions,
    )


def collect_examples(
    raw_dir: Path, row_index: RowIndex, decision: CleaningDecision, render_html: Callable[[Json], str]
) -> list[CheckExamples]:
    """Reads the first rows that each check found, and the rows that they repeat, to show them side by side."""
    rejections = [finding for findings in decision.rejections.values() for finding in findings]
    by_check = _by_check([*rejections, *decision.accepted_notes()])
    shown = [finding for findings in by_check.values() for finding in findings[:EXAMPLES_PER_CHECK]]
    rows = read_rows_at(raw_dir, {f.row for f in shown} | {f.repeats for f in shown if f.repeats >= 0})
    return [
        CheckExamples(
            check,
            [_example(finding, rows, row_index, render_html) for finding in findings[:EXAMPLES_PER_CHECK]],
            len(findings),
        )
        for check, findings in by_check.items()
    ]


def read_rows_at(folder: Path, positions: Iterable[int]) -> dict[int, Json]:
    """Reads rows by position; opens only the batches that contain them."""
    refs = list_batches(folder)
    ends = list(accumulate(ref.num_rows for ref in refs))
    rows: dict[int, Json] = {}
    positions = sorted(positions)
    for ref, end in zip(refs, ends, strict=True):
        start = end - ref.num_rows
        in_batch = [position for position in positions if start <= position < end]
        if in_batch:
            batch = read_batch(ref)
            for position in in_batch:
                rows[position] = batch.slice(position - start, 1).to_pylist()[0]
    return rows


def _by_check(findings: list[Finding]) -> dict[str, list[Finding]]:
    """Findings of each check, one for each row."""
    by_check: defaultdict[str, dict[int, Finding]] = defaultdict(dict)
    for finding in findings:
        rows = by_check[finding.check]
        earlier = rows.get(finding.row)
        reason = finding.reason if earlier is None else f"{earlier.reason}; {finding.reason}"
        rows[finding.row] = finding._replace(reason=reason)
    return {check: list(rows.values()) for check, rows in by_check.items()}


def _example(
    finding: Finding, rows: dict[int, Json], row_index: RowIndex, render_html: Callable[[Json], str]
) -> ExampleRow:
    row = rows[finding.row]
    pictures = [render_html(rows[position]) for position in (finding.repeats, finding.row) if position >= 0]
    return ExampleRow(pictures, finding.reason, str(row.get("label")), row["row_id"], row_index.name_row(finding.row))
