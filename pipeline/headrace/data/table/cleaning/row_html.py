"""HTML of a raw row for the cleaning report."""

from __future__ import annotations

from html import escape

from headrace.contracts import Json
from headrace.storage.column_names import to_source_name

MAX_COLUMNS = 12
MAX_CHARACTERS = 80
HIDDEN = ("row_id", "split", "source")


def render_row(row: Json) -> str:
    """Returns an escaped HTML table of the first columns, the label on top."""
    names = [name for name in row if name not in HIDDEN]
    names.sort(key=lambda name: name != "label")  # stable: the others stay in order
    lines = [
        f"<tr><th>{escape(to_source_name(name))}</th><td>{_format(row[name])}</td></tr>" for name in names[:MAX_COLUMNS]
    ]
    if names[MAX_COLUMNS:]:
        lines.append(f'<tr><td colspan="2">and {len(names) - MAX_COLUMNS} more</td></tr>')
    return f"<table>{''.join(lines)}</table>"


def _format(value: object) -> str:
    if value is None:
        return "<i>missing</i>"
    text = str(value)
    return escape(text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 3] + "...")
