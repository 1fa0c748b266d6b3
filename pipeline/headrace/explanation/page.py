"""The page of the explain stage: one self-contained HTML file with explained rows, and how faithful they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Metrics, TaskName
from headrace.explanation.views.base import ViewWording
from headrace.explanation.wording import TASK_WORDINGS
from headrace.html_page import render_page

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Example:
    """One row with its prediction and attribution."""

    group: str
    """A group of TaskWording.groups."""
    row_id: str
    actual: str | float
    """Class, or value in the target's unit."""
    predicted: str | float
    confidence: float | None
    """Softmax probability of the predicted class, in [0, 1], before calibration; regression: None."""
    shown: Markup
    """The row and its attribution."""
    parts: list[Json] = field(default_factory=list)
    """Name and attribution of each place that has a name."""
    source: str = ""
    """Where the row stands in the source; empty for arrays of an earlier version."""

    def to_json(self) -> Json:
        """Returns everything but the picture."""
        return {
            "group": self.group,
            "row_id": self.row_id,
            **({"source": self.source} if self.source else {}),
            "actual": self.actual,
            "predicted": self.predicted,
            **({} if self.confidence is None else {"confidence": self.confidence}),
            **({"parts": self.parts} if self.parts else {}),
        }


@dataclass(frozen=True)
class ExplanationReport:
    """Everything that the page shows."""

    source: str
    task: TaskName
    method: str
    wording: ViewWording
    metrics: Metrics
    """Metrics of the stage explain."""
    curves: dict[str, NDArray[np.float64]]
    """Deletion curves by name."""
    examples: list[Example]
    overview: Markup
    """All explained rows together."""


def render_explanation(report: ExplanationReport) -> str:
    """Returns HTML with its pictures inside."""
    return render_page(
        "explanation/page.html.jinja",
        title="What the model looks at",
        report=report,
        metrics=report.metrics,
        view=report.wording,
        task=TASK_WORDINGS[report.task],
        curves={name: _points(curve) for name, curve in report.curves.items()},
    )


def _points(curve: NDArray[np.float64]) -> str:
    """A curve of values in [0, 1] as points of an SVG of 100 x 100 units."""
    places = zip(np.linspace(0, 100, len(curve)).tolist(), (100 - 100 * curve).tolist(), strict=True)
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in places)
