"""The page: one self-contained HTML file that shows what the model looks at, and whether to believe it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from pipeline.contracts import Metrics
from pipeline.explanation.pictures import curves_uri, heat_uri, image_uri

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEADINGS = {
    "wrong": ("Wrong", "The mistakes that the model was surest of."),
    "unsure": ("Least sure", "Right, but only just."),
    "right": ("Right", "Drawn at random from the other right ones."),
}

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
    """wrong, unsure or right."""
    row_id: str
    actual: str
    predicted: str
    confidence: float
    """Softmax probability of the predicted class, in [0, 1], before calibration."""
    pixels: NDArray[np.uint8]
    """`[height, width, channel]`."""
    attribution: NDArray[np.float32]
    """`[height, width]`."""

    def told(self) -> dict[str, str | float]:
        """What can be told without pictures, as JSON."""
        return {
            "group": self.group,
            "row_id": self.row_id,
            "actual": self.actual,
            "predicted": self.predicted,
            "confidence": self.confidence,
        }


@dataclass(frozen=True)
class Findings:
    """Everything that the page tells."""

    source: str
    method: str
    metrics: Metrics
    """Of the stage explain."""
    curves: dict[str, NDArray[np.float64]]
    """Deletion curves by name."""
    examples: list[Example]
    means: dict[str, NDArray[np.float32]]
    """Class -> mean attribution `[height, width]`."""


def page(findings: Findings) -> str:
    """The HTML, with its pictures inside."""
    metrics, method = findings.metrics, findings.method.replace("_", " ")
    sections = "".join(_group(group, findings.examples) for group in HEADINGS)
    means = "".join(
        f'<div class="card"><img class="pixels" alt="" src="{heat_uri(mean)}"><p class="tell">{escape(name)}</p></div>'
        for name, mean in findings.means.items()
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>What the model looks at</title>
<style>{STYLE}</style>
<main>
<h1>What the model looks at</h1>
<p class="quiet">{escape(findings.source)}: {metrics["num_rows"]} validation rows, explained by {escape(method)}.</p>
<div class="cards">{_cards(metrics)}</div>
<h2>Can these maps be believed?</h2>
<p>{_verdict(metrics)}</p>
<div class="card wide"><img class="curve" alt="Mean probability against the share of pixels deleted"
src="{curves_uri(findings.curves)}"></div>
<h2>How to read the maps</h2>
<p>Against the predicted class<span class="scale"></span>for it. Each map has its own scale: compare places within
a map, not maps with one another. The reference is the mean of the training images, so that a pale place is one that the
model does not miss. Percentages are the network's own, before calibration.</p>
{sections}
<h2>Mean map of each predicted class</h2>
<p class="quiet">Over the explained rows that the model takes for it.</p>
<div class="grid means">{means}</div>
</main>
</html>
"""


def _cards(metrics: Metrics) -> str:
    cards = [
        ("Faithfulness", f"{metrics['faithfulness']:+.3f}", "random less attributed deletion; above 0 is good"),
        ("Deletion area", f"{metrics['deletion_auc']:.3f}", "most attributed pixels first; lower is better"),
        ("Random area", f"{metrics['random_auc']:.3f}", "pixels in random order"),
    ]
    if "int8_agreement" in metrics:
        cards.append(("int8 agreement", f"{metrics['int8_agreement']:.1%}", "explained rows with the same answer"))
    return "".join(
        f'<div class="card">{title}<b>{figure}</b><span class="quiet">{note}</span></div>'
        for title, figure, note in cards
    )


def _verdict(metrics: Metrics) -> str:
    """The faithfulness figure in a sentence."""
    told = (
        f"Pixels were replaced by the training mean, a twentieth at a time. With the most attributed ones first, the "
        f"area under the predicted class's probability is {metrics['deletion_auc']:.3f}; in random order it is "
        f"{metrics['random_auc']:.3f}. "
    )
    if metrics["faithfulness"] > 0:
        return told + "The model loses its answer sooner where the maps are red: they point at what it uses."
    return told + "<strong>That is no better than chance: do not rely on these maps.</strong>"


def _group(group: str, examples: list[Example]) -> str:
    title, note = HEADINGS[group]
    shown = "".join(_example(example) for example in examples if example.group == group)
    body = f'<div class="grid">{shown}</div>' if shown else "<p>None.</p>"
    return f'<h2>{title}</h2><p class="quiet">{note}</p>{body}'


def _example(example: Example) -> str:
    is_right = example.actual == example.predicted
    said = f"<strong>{escape(example.predicted)}</strong>, {example.confidence:.1%}"
    told = said if is_right else f'<strong class="no">{escape(example.predicted)}</strong>, {example.confidence:.1%}'
    truth = "" if is_right else f" &middot; is <strong>{escape(example.actual)}</strong>"
    return (
        f'<div class="card"><div class="pair">'
        f'<img class="pixels" alt="input" src="{image_uri(example.pixels)}">'
        f'<img class="pixels" alt="map" src="{heat_uri(example.attribution, example.pixels)}"></div>'
        f'<p class="tell">{told}{truth}</p><span class="id">{escape(example.row_id)}</span></div>'
    )
