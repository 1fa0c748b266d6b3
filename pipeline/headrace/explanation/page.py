"""The page of the explain stage: one self-contained HTML file with explained rows, and how faithful they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Metrics, TaskName
from headrace.explanation.compare_methods import MethodResult
from headrace.explanation.examples import Example
from headrace.explanation.faithfulness import Curves, judge_faithfulness
from headrace.explanation.html_marks import make_marks
from headrace.explanation.methods.attributions import METHOD_TITLES, MethodName
from headrace.explanation.permutation_importance import Importance
from headrace.explanation.row_selection import TEST_GROUP
from headrace.explanation.views.base import ViewWording
from headrace.explanation.wording import (
    TASK_WORDINGS,
    claim_faithfulness,
    claim_sanity,
    format_gain,
    format_interval,
)
from headrace.html_page import render_page

if TYPE_CHECKING:
    from markupsafe import Markup

MAX_COLUMNS = 40


@dataclass(frozen=True)
class ExplanationReport:
    """Everything that the page shows."""

    source: str
    task: TaskName
    precision: str
    """Of the served graph."""
    wording: ViewWording
    agreement: Metrics
    """See `Subject.compare_with_float32`."""
    methods: list[MethodResult]
    """The chosen method first."""
    examples: list[Example]
    overview: Markup
    """All explained rows together."""
    omitted: dict[MethodName, str] = field(default_factory=dict)
    """Methods that do not apply to this model, and why."""
    importances: list[Importance] = field(default_factory=list)
    """Permutation importance of the columns of a table."""
    quality: str = ""
    """The metric that they are measured by."""

    @property
    def metrics(self) -> Metrics:
        """The metrics of the stage explain."""
        chosen = self.methods[0]
        sanity_check = {} if chosen.sanity_check is None else {"sanity_check": chosen.sanity_check}
        return {"num_rows": chosen.num_rows, **chosen.metrics, **sanity_check, **self.agreement}

    def make_sentence(self) -> str:
        """What the measurements allow to say about the chosen method."""
        chosen = self.methods[0]
        title = METHOD_TITLES[chosen.method]
        claim = claim_faithfulness(chosen.metrics, title, self.wording.places)
        return " ".join(filter(None, (claim, claim_sanity(chosen.sanity_check, title))))

    def to_json(self) -> Json:
        """Returns what a summary of the whole run shows of the explanations."""
        chosen = self.methods[0]
        return {
            "method": chosen.method,
            "num_rows": chosen.num_rows,
            "faithfulness": chosen.metrics,
            "verdict": judge_faithfulness(chosen.metrics),
            "sanity_check": chosen.sanity_check,
            "agreement": self.agreement["agreement"],
            "sentence": self.make_sentence(),
            "methods": [
                {"method": each.method, "num_rows": each.num_rows, "sanity_check": each.sanity_check, **each.metrics}
                for each in self.methods
            ],
            "omitted": dict(self.omitted),
            "permutation_importance": [each._asdict() for each in self.importances],
            "test_mistakes": [each.row_id for each in self.examples if each.group == TEST_GROUP],
        }


def render_explanation(report: ExplanationReport) -> str:
    """Returns HTML with its pictures inside."""
    chosen, shown = report.methods[0], report.importances[:MAX_COLUMNS]
    return render_page(
        "explanation/page.html.jinja",
        title="What the model looks at",
        report=report,
        chosen=chosen,
        titles=METHOD_TITLES,
        format_gain=format_gain,
        interval=format_interval,
        claim_sanity=claim_sanity,
        importance_marks=make_marks((each.column, describe_importance(each), each.importance) for each in shown),
        metrics=report.metrics,
        view=report.wording,
        task=TASK_WORDINGS[report.task],
        plots=plot_curves(chosen.curves),
    )


def describe_importance(importance: Importance) -> str:
    """The decrease of the quality with its interval."""
    return f"{importance.importance:+.3f} ({importance.low:.3f} to {importance.high:.3f})"


def plot_curves(curves: Curves) -> dict[str, dict[str, str]]:
    """Returns the mean curves of deletion and of insertion by name, each as points of an SVG of 100 x 100 units."""
    orders = {
        "deleted": (curves.most_first, curves.random),
        "inserted": (curves.least_first[:, ::-1], curves.random[:, ::-1]),
    }
    names = ("most attributed first", "random order")
    return {
        kind: {name: _points(curve.mean(axis=0)) for name, curve in zip(names, pair, strict=True)}
        for kind, pair in orders.items()
    }


def _points(curve: NDArray[np.float64]) -> str:
    """A curve of values in [0, 1] as points of an SVG of 100 x 100 units."""
    places = zip(np.linspace(0, 100, len(curve)).tolist(), (100 - 100 * curve).tolist(), strict=True)
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in places)
