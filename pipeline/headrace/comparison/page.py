"""A comparison as one HTML page, in the form of the report of a run."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.comparison import wording
from headrace.comparison.compare_models import Comparison
from headrace.comparison.flipped_rows import FlippedRow
from headrace.comparison.recorded_model import RecordedModel
from headrace.contracts import Json
from headrace.explanation.figures import encode_image
from headrace.html_page import render_page
from headrace.report.layout import Card, Picture, Report, Section, Table

MAX_SLICES = 20


def render_comparisons(models: Sequence[RecordedModel], comparisons: Sequence[Comparison]) -> str:
    """Returns a self-contained page."""
    title = " and ".join(_name(model) for model in models) if len(models) <= 3 else f"{len(models)} models"  # noqa: PLR2004
    verdicts = " ".join(wording.describe_verdict(comparison) for comparison in comparisons)
    is_good = all(comparison.verdict not in {"worse", "not compared"} for comparison in comparisons)
    sections = [_list_models(models, comparisons)]
    for comparison in comparisons:
        suffix = f", {comparison.first.letter} and {comparison.second.letter}" if len(comparisons) > 1 else ""
        sections += [
            _show_metrics(comparison, suffix),
            _show_differences(comparison, suffix),
            _show_rows(comparison, suffix),
            _show_slices(comparison, suffix),
        ]
    cards = [card for comparison in comparisons[:1] for card in _make_cards(comparison)]
    report = Report(f"Comparison: {title}", verdicts, is_good, cards, sections)
    return render_page("report/page.html.jinja", title=report.title, report=report)


def _name(model: RecordedModel) -> str:
    return model.title.partition(",")[0]


def _make_cards(comparison: Comparison) -> list[Card]:
    if comparison.flips is None:
        return []
    cards = []
    for metric in comparison.metrics[:2]:
        *_, change, interval = wording.format_metric(metric)
        cards.append(Card(wording.NAMES.get(metric.name, metric.name), change, f"95 %: {interval}"))
    flips = comparison.flips
    names = ("Closer", "Further") if comparison.first.task == "regression" else ("Newly right", "Newly wrong")
    return [*cards, Card(names[0], f"{flips.num_fixed:,}", "rows"), Card(names[1], f"{flips.num_broken:,}", "rows")]


def _list_models(models: Sequence[RecordedModel], comparisons: Sequence[Comparison]) -> Section:
    rows = [[model.letter, model.title, model.task, wording.describe_served(model)] for model in models]
    sentences = [sentence for comparison in comparisons for sentence in wording.describe_details(comparison)]
    return Section("Models", sentences, [Table("What is compared", ("", "model", "task", "served graph"), rows, 4)])


def _show_metrics(comparison: Comparison, suffix: str) -> Section:
    if not comparison.metrics:
        return Section(f"Metrics{suffix}", missing=wording.describe_verdict(comparison))
    rows = [
        [wording.NAMES.get(metric.name, metric.name), *wording.format_metric(metric), _judge(metric.effect)]
        for metric in comparison.metrics
    ]
    columns = ("metric", comparison.first.letter, comparison.second.letter, "change", "95 % interval", "")
    caption = f"On {wording.describe_rows(comparison.rows)}; intervals are of the change, paired by row"
    return Section(f"Metrics{suffix}", tables=[Table(caption, columns, rows)])


def _show_differences(comparison: Comparison, suffix: str) -> Section:
    topics = comparison.differences._asdict()
    sentences = [
        f"{name.capitalize()}: {wording.describe_difference(parts)}." for name, parts in topics.items() if not parts
    ]
    columns = ("", comparison.first.letter, comparison.second.letter)
    tables = [
        Table(name.capitalize(), columns, [list(part) for part in parts], len(columns))
        for name, parts in topics.items()
        if parts
    ]
    return Section(f"What differs{suffix}", sentences, tables)


def _show_rows(comparison: Comparison, suffix: str) -> Section:
    title, flips = f"Rows{suffix}", comparison.flips
    if flips is None:
        return Section(title, missing="There are no common rows.")
    second = comparison.second.letter
    groups = ((f"Better with {second}", flips.fixed), (f"Worse with {second}", flips.broken))
    tables = [_tabulate_rows(caption, rows, comparison) for caption, rows in groups if rows]
    pictures = [
        _show_picture(caption, row, comparison.contents[row.row_id])
        for caption, rows in groups
        for row in rows
        if "pixels" in comparison.contents.get(row.row_id, {})
    ]
    sentences = [wording.describe_flips(comparison)]
    if (flips.fixed or flips.broken) and not any(comparison.contents.values()):
        sentences.append("This project does not have these rows, so that only their ids and places are shown.")
    return Section(title, sentences, tables, pictures=pictures)


def _tabulate_rows(caption: str, rows: Sequence[FlippedRow], comparison: Comparison) -> Table:
    columns = ("row", "content", "target", comparison.first.letter, comparison.second.letter)
    cells = [
        [
            row.source or row.row_id,
            _show_content(comparison.contents.get(row.row_id, {})),
            row.target,
            row.first,
            row.second,
        ]
        for row in rows
    ]
    return Table(caption, columns, cells, len(columns))


def _show_content(content: Json) -> str:
    if "cells" in content:
        return ", ".join(f"{name} {value}" for name, value in content["cells"].items())
    return str(content.get("text", ""))


def _show_picture(caption: str, row: FlippedRow, content: Json) -> Picture:
    answers = f"{caption}: {row.target}, {row.first} -> {row.second}"
    return Picture(encode_image(content["pixels"]), f"{row.source or row.row_id}: {answers}", answers)


def _show_slices(comparison: Comparison, suffix: str) -> Section:
    title = f"Parts of the rows{suffix}"
    if not comparison.slices:
        return Section(title, missing=wording.describe_slices(comparison))
    is_share = comparison.first.task != "regression"
    rows = [
        [change.name, f"{change.rows:,}", *wording.format_metric(change, is_share=is_share), f"{change.p:.2g}",
         _judge(change.effect)]
        for change in comparison.slices[:MAX_SLICES]
    ]  # fmt: skip
    columns = ("part", "rows", comparison.first.letter, comparison.second.letter, "change", "95 % interval", "p", "")
    metric = "Accuracy" if is_share else "Error (RMSE)"
    caption = f"{metric}, the clearest changes first; p is corrected for the number of parts"
    return Section(title, [wording.describe_slices(comparison)], [Table(caption, columns, rows)])


def _judge(effect: int) -> str:
    return {1: "better", -1: "worse", 0: ""}[effect]
