"""The page of the clean stage: one self-contained HTML file with counts, distributions and example rows."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.contracts import Assumption, ColumnFinding, Metrics
from headrace.data.cleaning.checks import ALL_CHECKS, Rule
from headrace.data.cleaning.report.charts import ClassChart, Histogram
from headrace.html_page import render_page


@dataclass(frozen=True)
class ExampleRow:
    """One row that a check found."""

    pictures: list[str]
    """Safe HTML of the row, after that of the row that it repeats, if any."""
    reason: str
    label: str
    row_id: str
    source: str
    """Where the row stands in the source."""


@dataclass(frozen=True)
class CheckExamples:
    """Some of the rows that one check found."""

    check: str
    rows: list[ExampleRow]
    num_found: int


@dataclass(frozen=True)
class Report:
    """Everything that the page shows."""

    source: str
    metrics: Metrics
    rules: dict[str, Rule]
    counts: dict[str, int]
    """Findings by check."""
    columns: list[ColumnFinding]
    remarks: list[tuple[str, str]]
    classes: ClassChart | None
    """None for regression."""
    histograms: dict[str, Histogram]
    """By measure."""
    not_drawn: list[str]
    """Measures without a histogram: the others, and those without a value."""
    examples: list[CheckExamples]
    assumptions: list[Assumption]


def render_report(report: Report) -> str:
    """Returns HTML that loads nothing from elsewhere."""
    title = f"Cleaning report: {report.source}"
    return render_page("cleaning/report.html.jinja", title=title, report=report, checks=ALL_CHECKS)
