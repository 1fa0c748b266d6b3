import re
from html.parser import HTMLParser

import numpy as np
from markupsafe import Markup

from headrace.contracts import Metrics
from headrace.explanation.page import Example, ExplanationReport, render_explanation
from headrace.explanation.views.image import ImageView
from headrace.explanation.views.table import TableView

CURVES = {"most attributed first": np.linspace(1, 0, 5), "random order": np.ones(5)}
METRICS: Metrics = {"num_rows": 3, "deletion_auc": 0.1, "random_auc": 0.4, "faithfulness": 0.3, "int8_agreement": 0.99}


def make_report(metrics: Metrics = METRICS) -> ExplanationReport:
    view, row, attribution = ImageView({"mean": [0.0]}), np.zeros((4, 4, 1), np.uint8), np.eye(4, dtype=np.float32)
    example = Example("wrong", "00ff", "<b>cat</b>", "dog & co", 0.75, view.show(row, attribution))
    overview = view.overview(row[None], attribution[None], {"<i>": np.ones(1, bool)})
    return ExplanationReport("drawn", "classification", "occlusion", view.wording, metrics, CURVES, [example], overview)


def test_page_is_complete_html_that_loads_nothing_from_elsewhere() -> None:
    text = render_explanation(make_report())
    open_tags: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
            if tag not in {"meta", "img"}:
                open_tags.append(tag)

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            pass

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Checker().feed(text)
    assert open_tags == []
    assert re.findall(r'(?:src|href)="(?!data:image/png;base64,)', text) == []
    assert "http" not in text


def test_page_escapes_names_and_shows_prediction_truth_and_confidence() -> None:
    text = render_explanation(make_report())
    assert "&lt;b&gt;cat&lt;/b&gt;" in text
    assert "<b>cat</b>" not in text
    assert "dog &amp; co" in text
    assert "75.0%" in text
    assert "&lt;i&gt;" in text


def test_page_does_not_escape_pictures() -> None:
    assert (
        len(re.findall(r'<img class="pixels" alt="\w*" src="data:image/png;base64,', render_explanation(make_report())))
        == 3
    )


def test_page_draws_the_deletion_curves() -> None:
    text = render_explanation(make_report())
    assert 'points="0.00,0.00 25.00,25.00 50.00,50.00 75.00,75.00 100.00,100.00"' in text
    assert 'points="0.00,0.00 25.00,0.00 50.00,0.00 75.00,0.00 100.00,0.00"' in text
    assert ">random order</span>" in text


def test_page_says_whether_the_maps_are_faithful() -> None:
    assert "show what the model uses" in render_explanation(make_report())
    assert "no better than chance" in render_explanation(make_report({**METRICS, "faithfulness": -0.01}))


def test_page_shows_int8_agreement_only_where_it_was_measured() -> None:
    assert "99.0%" in render_explanation(make_report())
    without = {name: value for name, value in METRICS.items() if name != "int8_agreement"}
    assert "int8" not in render_explanation(make_report(without))


def test_page_of_a_regression_shows_values_and_no_confidence() -> None:
    parts = [{"name": "x", "attribution": 1.0}]
    example = Example("furthest", "00ff", 1.25, 1234567.0, None, Markup("<p>shown</p>"), parts)
    metrics = {**METRICS, "int8_difference": 0.01234}
    overview = Markup("<p>over</p>")
    text = render_explanation(
        ExplanationReport("drawn", "regression", "occlusion", TableView.wording, metrics, CURVES, [example], overview)
    )
    assert "<strong>1.23457e+06</strong> &middot; actual <strong>1.25</strong>" in text
    assert "<p>shown</p>" in text
    assert "<p>over</p>" in text
    assert "Columns were replaced" in text
    assert "raises it" in text
    assert "0.01234" in text
    assert "probability" not in text
    assert example.to_json() == {
        "group": "furthest", "row_id": "00ff", "actual": 1.25, "predicted": 1234567.0,
        "parts": [{"name": "x", "attribution": 1.0}],
    }  # fmt: skip
