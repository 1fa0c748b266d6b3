"""The page: one self-contained HTML file that shows what the model looks at, and whether to believe it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Metrics, TaskName
from headrace.explanation.figures import curves_uri
from headrace.explanation.views.base import ViewWording
from headrace.explanation.wording import SENTENCES, TaskWording

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f8; color: #1d2129; font: 15px/1.55 system-ui, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 19px; margin: 40px 0 2px; }
p { margin: 0 0 12px; max-width: 72ch; }
.quiet { color: #5b6270; }
.cards, .grid { display: grid; gap: 14px; }
.cards { grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); margin: 24px 0; }
.grid { grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); margin-top: 12px; }
.means { grid-template-columns: repeat(auto-fill, minmax(118px, 1fr)); }
.card { background: #fff; border: 1px solid #e3e6eb; border-radius: 10px; padding: 14px; }
.card b { display: block; font-size: 26px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
img.pixels { width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; border-radius: 4px;
  background: #eef0f3; display: block; }
.wide { max-width: 700px; padding: 18px; }
img.curve { width: 100%; height: auto; display: block; }
.tell { margin: 10px 0 0; overflow-wrap: anywhere; }
.tell strong.no { color: #b3261e; }
.id { font: 12px ui-monospace, monospace; color: #7a8190; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; display: block; }
.scale { display: inline-block; width: 120px; height: 10px; border-radius: 5px; vertical-align: middle; margin: 0 6px;
  background: linear-gradient(90deg, #2166ac, #f7f7f7, #b2182b); }
"""


@dataclass(frozen=True)
class Example:
    """One row, told and shown."""

    group: str
    """A group of SENTENCES."""
    row_id: str
    actual: str | float
    """Class, or value in the target's unit."""
    predicted: str | float
    confidence: float | None
    """Softmax probability of the predicted class, in [0, 1], before calibration; regression: None."""
    shown: str
    """HTML (safe) of the row and its attribution."""
    parts: list[Json] = field(default_factory=list)
    """Name and attribution of each place that has a name."""

    def told(self) -> Json:
        """What can be told without pictures, as JSON."""
        return {
            "group": self.group,
            "row_id": self.row_id,
            "actual": self.actual,
            "predicted": self.predicted,
            **({} if self.confidence is None else {"confidence": self.confidence}),
            **({"parts": self.parts} if self.parts else {}),
        }


@dataclass(frozen=True)
class Findings:
    """Everything that the page tells."""

    source: str
    task: TaskName
    method: str
    words: ViewWording
    metrics: Metrics
    """Of the stage explain."""
    curves: dict[str, NDArray[np.float64]]
    """Deletion curves by name."""
    examples: list[Example]
    overview: str
    """HTML (safe) on all explained rows."""


def page(findings: Findings) -> str:
    """The HTML, with its pictures inside."""
    metrics, method = findings.metrics, findings.method.replace("_", " ")
    words, said = findings.words, SENTENCES[findings.task]
    sections = "".join(_group(*told, group, findings.examples) for group, told in said.groups.items())
    curves = curves_uri(findings.curves, share_of=words.places, followed=said.axis)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>What the model looks at</title>
<style>{STYLE}{words.style}</style>
<main>
<h1>What the model looks at</h1>
<p class="quiet">{escape(findings.source)}: {metrics["num_rows"]} validation rows, explained by {escape(method)}.</p>
<div class="cards">{_cards(metrics, words)}</div>
<h2>Can these {words.maps} be believed?</h2>
<p>{_verdict(metrics, words, said)}</p>
<div class="card wide"><img class="curve" alt="{said.axis.capitalize()} against the share of {words.places} deleted"
src="{curves}"></div>
<h2>How to read the {words.maps}</h2>
<p>{said.against}<span class="scale"></span>{said.speaks_for}. {words.reading} {said.note}</p>
{sections}
<h2>{words.overview}</h2>
<p class="quiet">{words.overview_note}</p>
{findings.overview}
</main>
</html>
"""


def _cards(metrics: Metrics, words: ViewWording) -> str:
    cards = [
        ("Faithfulness", f"{metrics['faithfulness']:+.3f}", "random less attributed deletion; above 0 is good"),
        ("Deletion area", f"{metrics['deletion_auc']:.3f}", f"most attributed {words.places} first; lower is better"),
        ("Random area", f"{metrics['random_auc']:.3f}", f"{words.places} in random order"),
    ]
    if "int8_agreement" in metrics:
        cards.append(("int8 agreement", f"{metrics['int8_agreement']:.1%}", "explained rows with the same answer"))
    if "int8_difference" in metrics:
        cards.append(("int8 difference", f"{metrics['int8_difference']:.4g}", "mean over explained rows"))
    return "".join(
        f'<div class="card">{title}<b>{figure}</b><span class="quiet">{note}</span></div>'
        for title, figure, note in cards
    )


def _verdict(metrics: Metrics, words: ViewWording, said: TaskWording) -> str:
    """The faithfulness figure in a sentence."""
    told = (
        f"{words.places.capitalize()} were {words.deleted}, a twentieth at a time. With the most attributed "
        f"ones first, the area under {said.followed} is {metrics['deletion_auc']:.3f}; in random order it is "
        f"{metrics['random_auc']:.3f}. "
    )
    if metrics["faithfulness"] > 0:
        return (
            f"{told}The model loses its answer sooner where the {words.maps} {said.sooner}: they point at what it uses."
        )
    return f"{told}<strong>That is no better than chance: do not rely on these {words.maps}.</strong>"


def _group(title: str, note: str, group: str, examples: list[Example]) -> str:
    shown = "".join(_example(example) for example in examples if example.group == group)
    body = f'<div class="grid">{shown}</div>' if shown else "<p>None.</p>"
    return f'<h2>{title}</h2><p class="quiet">{note}</p>{body}'


def _example(example: Example) -> str:
    return (
        f'<div class="card">{example.shown}<p class="tell">{_answer(example)}</p>'
        f'<span class="id">{escape(example.row_id)}</span></div>'
    )


def _answer(example: Example) -> str:
    """What the model said, and what is true where that differs."""
    predicted, actual = (
        escape(answer if isinstance(answer, str) else f"{answer:.6g}") for answer in (example.predicted, example.actual)
    )
    truth = f" &middot; is <strong>{actual}</strong>"
    if example.confidence is None:
        return f"<strong>{predicted}</strong>{truth}"
    if example.actual == example.predicted:
        return f"<strong>{predicted}</strong>, {example.confidence:.1%}"
    return f'<strong class="no">{predicted}</strong>, {example.confidence:.1%}{truth}'
