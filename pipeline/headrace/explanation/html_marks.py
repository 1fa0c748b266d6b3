"""Marks: texts and bars in HTML, red for what speaks for a class, blue for what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

RED, BLUE = "178,24,43", "33,102,172"  # the ends of the maps' colours
STYLE = """
.grid { grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); }
.text { margin: 0; line-height: 1.9; overflow-wrap: anywhere; white-space: pre-wrap; max-height: 15em; overflow: auto; }
.text span { border-radius: 3px; padding: 1px 1px; }
.bars { margin: 0; display: grid; gap: 3px; }
.bar { display: grid; grid-template-columns: minmax(0, 1.4fr) 1fr; gap: 8px; align-items: center; font-size: 13px; }
.bar > span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bar i { display: block; height: 11px; border-radius: 3px; min-width: 1px; }
"""


def marked(tokens: Sequence[tuple[str, float]]) -> str:
    """A text as tokens and their attributions, each on its colour; the strongest is full."""
    scale = max((abs(score) for _, score in tokens), default=0.0) or 1.0
    spans = "".join(
        f'<span style="background:rgba({RED if score > 0 else BLUE},{abs(score) / scale * 0.75:.2f})" '
        f'title="{score:+.3g}">{escape(token)}</span>'
        for token, score in tokens
    )
    return f'<p class="text">{spans}</p>'


def top_bars(rows: Sequence[tuple[str, str, float]]) -> str:
    """Name, value (or nothing) and attribution as bars, one below the other."""
    scale = max((abs(score) for *_, score in rows), default=0.0) or 1.0
    bars = "".join(
        f'<div class="bar"><span title="{escape(_named(name, value))}">{escape(_named(name, value))}</span>'
        f'<i style="width:{abs(score) / scale * 100:.1f}%;background:rgb({RED if score > 0 else BLUE})" '
        f'title="{score:+.3g}"></i></div>'
        for name, value, score in rows
    )
    return f'<div class="bars">{bars}</div>'


def _named(name: str, value: str) -> str:
    return f"{name} = {value}" if value else name
