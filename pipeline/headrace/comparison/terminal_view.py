"""A comparison on the terminal, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from headrace.comparison import wording
from headrace.comparison.compare_models import Comparison
from headrace.comparison.differences import Difference
from headrace.comparison.flipped_rows import Flips
from headrace.comparison.recorded_model import RecordedModel

MAX_DIFFERENCES, MAX_ROWS, MAX_SLICES = 12, 5, 8
"""Lines of each kind that are shown; `--page` and `--json` have all."""
MAX_VALUE_CHARACTERS = 60


def print_comparisons(models: Sequence[RecordedModel], comparisons: Sequence[Comparison], console: Console) -> None:
    """Prints the verdicts, then the details of each comparison."""
    for comparison in comparisons:
        console.print(f"[bold]{escape(wording.describe_verdict(comparison))}[/bold]")
        for sentence in wording.describe_details(comparison):
            console.print(escape(sentence))
    console.print()
    console.print(_make_table([(model.letter, model.title) for model in models]))
    for model in models:
        if served := wording.describe_served(model):
            console.print(f"{model.letter} serves {served}.")
    for comparison in comparisons:
        _print_details(comparison, console)


def _print_details(comparison: Comparison, console: Console) -> None:
    pair = f"{comparison.first.letter} -> {comparison.second.letter}"
    if comparison.metrics:
        console.print(f"\n[bold]Metrics, {pair}[/bold]")
        console.print(_tabulate_metrics(comparison))
    console.print(f"\n[bold]What differs, {pair}[/bold]")
    for topic, parts in comparison.differences._asdict().items():
        _print_differences(topic, parts, console)
    if comparison.flips is None:
        return
    console.print(f"\n[bold]Rows, {pair}[/bold]\n{escape(wording.describe_flips(comparison))}")
    if comparison.flips.fixed or comparison.flips.broken:
        console.print(_tabulate_rows(comparison, comparison.flips))
    console.print(f"\n[bold]Parts of the rows, {pair}[/bold]\n{escape(wording.describe_slices(comparison))}")
    if comparison.changed_slices:
        console.print(_tabulate_slices(comparison))


def _tabulate_metrics(comparison: Comparison) -> Table:
    first, second = comparison.first, comparison.second
    table = _make_table([], "metric", first.letter, second.letter, "change", "95 % interval", "")
    for metric in comparison.metrics:
        effect = {1: "better", -1: "worse", 0: ""}[metric.effect]
        table.add_row(wording.NAMES.get(metric.name, metric.name), *wording.format_metric(metric), effect)
    return table


def _print_differences(topic: str, parts: list[Difference] | None, console: Console) -> None:
    if not parts:
        console.print(f"{topic}: {wording.describe_difference(parts)}")
        return
    console.print(f"{topic}:")
    rows = [(f"  {part.name}", f"{_cut(part.first)} -> {_cut(part.second)}") for part in parts[:MAX_DIFFERENCES]]
    more = len(parts) - MAX_DIFFERENCES
    console.print(_make_table([*rows, *([("  ...", f"{more} more: --page, --json")] if more > 0 else [])]))


def _tabulate_rows(comparison: Comparison, flips: Flips) -> Table:
    table = _make_table([], "row", "target", comparison.first.letter, comparison.second.letter, "")
    for effect, rows in (("better", flips.fixed), ("worse", flips.broken)):
        for row in rows[:MAX_ROWS]:
            cells = (row.source or row.row_id, row.target, row.first, row.second, effect)
            table.add_row(*(escape(_cut(text)) for text in cells))
    return table


def _tabulate_slices(comparison: Comparison) -> Table:
    first, second = comparison.first.letter, comparison.second.letter
    table = _make_table([], "part", "rows", first, second, "change", "95 % interval", "")
    is_share = comparison.first.task != "regression"
    for change in comparison.changed_slices[:MAX_SLICES]:
        cells = wording.format_metric(change, is_share=is_share)
        effect = "better" if change.effect > 0 else "worse"
        table.add_row(escape(_cut(change.name)), f"{change.rows:,}", *cells, effect)
    return table


def _make_table(rows: Sequence[tuple[str, str]], *columns: str) -> Table:
    table = Table(show_header=bool(columns), box=None, padding=(0, 2, 0, 0), header_style="")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_VALUE_CHARACTERS else f"{line[: MAX_VALUE_CHARACTERS - 3]}..."
