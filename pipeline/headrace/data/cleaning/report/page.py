"""The page of the clean stage: one self-contained HTML file with counts, distributions and pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from headrace.contracts import ColumnFinding, Metrics
from headrace.data.cleaning.checks import CHECKS, Rule

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f8; color: #1d2129; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 36px 24px 64px; }
h1 { font-size: 28px; margin: 0 0 4px; overflow-wrap: anywhere; } h2 { font-size: 19px; margin: 36px 0 6px; }
h3 { font-size: 15px; margin: 22px 0 8px; }
p { margin: 0 0 10px; max-width: 76ch; } .quiet { color: #5b6270; }
.cards { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); margin: 22px 0; }
.card, figure { background: #fff; border: 1px solid #e3e6eb; border-radius: 10px; padding: 12px 14px; }
.card b { display: block; font-size: 26px; line-height: 1.25; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; background: #fff; border: 1px solid #e3e6eb; width: 100%; }
th, td { text-align: left; padding: 5px 12px; border-bottom: 1px solid #eef0f3; vertical-align: top;
  overflow-wrap: anywhere; }
th { color: #5b6270; font-weight: 600; } th, .name { white-space: nowrap; overflow-wrap: normal; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
tr.none td, tr.none .quiet { color: #8a909c; } td .tag { overflow-wrap: normal; }
.bar { width: 46%; position: relative; } .bar i, .bar b { display: block; height: 7px; border-radius: 3px; }
.bar i { background: #c9ced6; margin: 3px 0 2px; } .bar b { background: #2f6fb2; }
.grid { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); }
.grid:has(.pair > :nth-child(2) :is(table, .text)) { grid-template-columns: repeat(auto-fill, minmax(420px, 1fr)); }
figure { margin: 0; overflow: hidden; } figure .pair { display: flex; gap: 10px; align-items: flex-start; }
figure .pair > * { flex: 1 1 0; min-width: 0; }
figure img { width: 100%; max-height: 180px; object-fit: contain; image-rendering: pixelated; background: #eef0f3;
  border-radius: 4px; }
figure table { border: 0; font-size: 13px; }
figure :is(th, td) { padding: 1px 6px 1px 0; border: 0; overflow-wrap: anywhere; }
figure th { max-width: 12em; font-weight: 400; white-space: normal; }
figcaption { font-size: 13px; margin-top: 8px; overflow-wrap: anywhere; }
.id { font: 11px ui-monospace, monospace; color: #7a8190; display: block; overflow: hidden; text-overflow: ellipsis; }
.text { font-size: 13px; white-space: pre-wrap; overflow-wrap: anywhere; overflow: hidden; margin: 0;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 10; }
svg { width: 100%; height: auto; } svg .before { fill: #c9ced6; } svg .after { fill: #2f6fb2; }
svg text { font: 11px system-ui, sans-serif; fill: #5b6270; }
.tag { display: inline-block; padding: 0 8px; border-radius: 9px; font-size: 12px; background: #e7ebf0; }
.tag.drop, .tag.error { background: #f7dcd9; } .tag.repair { background: #dcefdc; } .tag.warn { background: #fbeecb; }
"""


@dataclass(frozen=True)
class Shown:
    """Rows that one check found, as pictures."""

    check: str
    figures: list[str]
    """HTML of each."""
    num_found: int


@dataclass(frozen=True)
class Report:
    """Everything that the page tells."""

    source: str
    metrics: Metrics
    rules: dict[str, Rule]
    counts: dict[str, int]
    """Findings by check."""
    columns: list[ColumnFinding]
    remarks: list[tuple[str, str]]
    classes: str
    """HTML; empty for regression."""
    histograms: dict[str, str]
    """Measure -> SVG."""
    shown: list[Shown]


def page(report: Report) -> str:
    """HTML that needs nothing from elsewhere."""
    parts = [_cards(report.metrics), _remarks(report), _checks(report), _columns(report)]
    if report.classes:
        parts.append("<h2>Classes</h2><p class=quiet>Grey: rows in. Blue: rows that go on.</p>" + report.classes)
    if report.histograms:
        drawn = "".join(
            f"<figure><figcaption>{escape(name)}</figcaption>{svg}</figure>" for name, svg in report.histograms.items()
        )
        parts.append(
            f"<h2>Distributions</h2><p class=quiet>Grey: before. Blue: after.</p><div class=grid>{drawn}</div>"
        )
    parts += [_shown(shown, report.rules) for shown in report.shown]
    title = f"What was cleaned: {escape(report.source)}"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><style>{STYLE}</style><main><h1>{title}</h1>"
        f"<p class=quiet>Every row that left is in <code>data/quarantine</code> with its checks and reasons;"
        f" what only got a warning is in <code>data/clean/findings.parquet</code>.</p>{''.join(parts)}</main></html>\n"
    )


def _cards(metrics: Metrics) -> str:
    told = {
        "rows_in": "rows in",
        "rows_out": "rows out",
        "quarantined": "quarantined",
        "repaired": "repaired",
        "classes": "classes",
    }
    wanted = [name for name in told if metrics[name] or name != "classes"]  # numbers have none
    cards = [f"<div class=card><b>{metrics[name]:,}</b>{told[name]}</div>" for name in wanted]
    return f"<div class=cards>{''.join(cards)}</div>"


def _remarks(report: Report) -> str:
    return "".join(
        f"<p><span class='tag warn'>{escape(check)}</span> {escape(text)}</p>" for check, text in report.remarks
    )


def _checks(report: Report) -> str:
    lines = []
    for name, rule in report.rules.items():
        found = report.counts.get(name, 0)
        options = ", ".join(f"{key} {value}" for key, value in rule.options.items() if value not in (None, {}))
        lines.append(
            f"<tr{'' if found else ' class=none'}><td class=name>{name}</td>"
            f"<td><span class='tag {rule.severity}'>{rule.severity}</span></td>"
            f"<td class=n>{found:,}</td><td>{_about(name)}"
            f"{f' <span class=quiet>({escape(options)})</span>' if options else ''}</td></tr>"
        )
    head = "<tr><th>check</th><th>what happens</th><th class=n>found</th><th>what it looks for</th></tr>"
    return f"<h2>Checks</h2><table>{head}{''.join(lines)}</table>"


def _about(check: str) -> str:
    """Names of options stand in backticks."""
    return re.sub(r"`(.+?)`", r"<code>\1</code>", escape(CHECKS[check].about))


def _columns(report: Report) -> str:
    if not report.columns:
        return ""
    lines = [
        f"<tr><td>{escape(found.column)}</td><td class=name>{found.check}</td><td><span class='tag"
        f" {report.rules[found.check].severity}'>{report.rules[found.check].severity}</span></td>"
        f"<td>{escape(found.reason)}</td></tr>"
        for found in report.columns
    ]
    head = "<tr><th>column</th><th>check</th><th>what happens</th><th>why</th></tr>"
    return f"<h2>Columns</h2><table>{head}{''.join(lines)}</table>"


def _shown(shown: Shown, rules: dict[str, Rule]) -> str:
    number = f"{shown.num_found:,} found" + (
        f", {len(shown.figures)} shown" if len(shown.figures) < shown.num_found else ""
    )
    return (
        f"<h2>{shown.check} <span class='tag {rules[shown.check].severity}'>{rules[shown.check].severity}</span></h2>"
        f"<p class=quiet>{_about(shown.check)}; {number}</p><div class=grid>{''.join(shown.figures)}</div>"
    )
