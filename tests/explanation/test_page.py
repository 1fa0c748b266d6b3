import re
from html.parser import HTMLParser

import numpy as np
from markupsafe import Markup

from headrace.contracts import Metrics
from headrace.explanation.compare_methods import MethodResult
from headrace.explanation.examples import Example, Prototype
from headrace.explanation.faithfulness import Curves, measure_faithfulness
from headrace.explanation.page import ExplanationReport, plot_curves, render_explanation
from headrace.explanation.permutation_importance import Importance
from headrace.explanation.views.image import ImageView
from headrace.explanation.views.table import TableView

NOISE = np.random.default_rng(0).normal(0, 0.01, (40, 1))
GOOD = Curves(*(np.linspace(start, end, 5) + NOISE for start, end in ((0.4, 0), (1, 0.6), (0.7, 0.3))))
USELESS = Curves(GOOD.random, GOOD.random, GOOD.random)
AGREEMENT: Metrics = {"agreement": 0.987}


def result_of(method: str = "occlusion", curves: Curves = GOOD, sanity_check: float | None = 0.12) -> MethodResult:
    return MethodResult(method, 40, curves, measure_faithfulness(curves), sanity_check)  # type: ignore[arg-type]


def make_report(*results: MethodResult, **changes: object) -> ExplanationReport:
    view, row, attribution = ImageView({"mean": [0.0]}), np.zeros((4, 4, 1), np.uint8), np.eye(4, dtype=np.float32)
    nearest = Prototype("11ee", "drawn, row 4", "<u>cow</u>", 0.25, view.show_input(row))
    shown = view.show(row, {"occlusion": attribution, "grad_cam": attribution})
    example = Example("wrong", "00ff", "<b>cat</b>", "dog & co", 0.75, shown, is_right=False, prototypes=[nearest])
    overview = view.overview(row[None], attribution[None], {"<i>": np.ones(1, bool)})
    fields = {
        "source": "drawn", "task": "classification", "precision": "int8", "wording": view.wording,
        "agreement": AGREEMENT, "methods": list(results or [result_of()]), "examples": [example], "overview": overview,
    }  # fmt: skip
    return ExplanationReport(**(fields | changes))  # type: ignore[arg-type]


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
    assert '<p class="answer wrong"><strong>dog &amp; co</strong>, 75.0% &middot; actual' in text
    assert "&lt;i&gt;" in text


def test_page_shows_the_nearest_train_rows_with_label_and_distance() -> None:
    text = render_explanation(make_report())
    assert '<span title="drawn, row 4, distance 0.25"><strong>&lt;u&gt;cow&lt;/u&gt;</strong></span>' in text
    assert "No nearest train rows" not in text


def test_every_picture_has_a_text() -> None:
    pictures = re.findall(r'<img class="pixels" alt="([^"]+)" src="data:image/png;base64,', make_page())
    assert pictures == [
        "the row's image",
        "map of occlusion",
        "map of Grad-CAM",
        "a train row's image",
        "mean map of &lt;i&gt;",
    ]


def make_page() -> str:
    return render_explanation(make_report())


def test_curves_are_means_and_insertion_reads_them_backwards() -> None:
    curves = Curves(*(np.array([start, end]) for start, end in (([0, 1], [1, 0]), ([1, 1], [1, 0]), ([0, 0], [1, 1]))))
    plots = plot_curves(curves)
    assert plots["deleted"] == {
        "most attributed first": "0.00,50.00 100.00,50.00",
        "random order": "0.00,50.00 100.00,50.00",
    }
    assert plots["inserted"]["most attributed first"] == "0.00,50.00 100.00,0.00"
    assert all(points in make_page() for points in plot_curves(GOOD)["inserted"].values())


def test_page_claims_no_more_than_the_intervals_show() -> None:
    assert "they mark pixels that the model uses" in make_page()
    useless = render_explanation(make_report(result_of(curves=USELESS)))
    assert "not shown to mark pixels that the model uses" in useless
    assert "average over these rows" not in useless


def test_page_compares_the_methods_and_names_what_is_left_out() -> None:
    grad_cam = result_of("grad_cam", USELESS, 0.93)
    report = make_report(result_of(), grad_cam, omitted={"attention": "the model has no attention"})
    text = render_explanation(report)
    assert "<td>Grad-CAM</td>" in text
    assert "+0.000 (0.000 to 0.000)" in text
    assert "Grad-CAM: they hardly depend on what the model has learned" in text
    assert "Left out: attention rollout (the model has no attention)." in text


def test_agreement_and_precision_of_the_served_graph_are_shown() -> None:
    text = make_page()
    assert "98.7%" in text
    assert "the served graph (int8)" in text


def test_metrics_and_summary_are_those_of_the_chosen_method() -> None:
    report = make_report(result_of(), result_of("grad_cam", USELESS, None))
    chosen = measure_faithfulness(GOOD)
    assert report.metrics == {"num_rows": 40, **chosen, "sanity_check": 0.12, "agreement": 0.987}
    summary = report.to_json()
    assert summary["faithfulness"] == chosen
    assert (summary["method"], summary["verdict"], summary["sanity_check"]) == ("occlusion", "shown", 0.12)
    assert summary["sentence"] in make_page()
    assert [each["method"] for each in summary["methods"]] == ["occlusion", "grad_cam"]
    assert "sanity_check" not in make_report(result_of(sanity_check=None)).metrics


def test_columns_are_shown_with_the_interval_of_their_importance() -> None:
    importances = [Importance("<size>", 0.25, 0.1, 0.4), Importance("noise", -0.01, -0.02, 0.0)]
    text = render_explanation(make_report(importances=importances, quality="accuracy", wording=TableView.wording))
    assert "Decrease of accuracy" in text
    assert "&lt;size&gt;" in text
    assert ">+0.250 (0.100 to 0.400)</span>" in text
    assert "What the columns are worth" not in make_page()


def test_several_labels_name_the_one_that_is_explained() -> None:
    example = Example("right", "00ff", "a, b", "a, b", 0.9, Markup("x"), is_right=True, explained="b")
    text = render_explanation(make_report(task="multilabel", examples=[example]))
    assert '<p class="answer"><strong>a, b</strong> &middot; explained: b, 90.0%</p>' in text
    assert "No nearest train rows" in text


def test_page_of_a_regression_shows_values_and_no_confidence() -> None:
    parts = [{"name": "x", "attribution": 1.0}]
    example = Example("furthest", "00ff", 1.25, 1234567.0, None, Markup("<p>shown</p>"), parts=parts)
    agreement = {"agreement": 0.9991, "difference": 0.01234}
    text = render_explanation(
        make_report(task="regression", wording=TableView.wording, agreement=agreement, examples=[example])
    )
    assert "<strong>1.23457e+06</strong> &middot; actual <strong>1.25</strong>" in text
    assert "<p>shown</p>" in text
    assert "Columns were replaced" in text
    assert "raises it" in text
    assert "0.01234" in text
    assert "0.9991" in text
    assert "probability" not in text
    assert example.to_json() == {
        "group": "furthest", "row_id": "00ff", "actual": 1.25, "predicted": 1234567.0,
        "parts": [{"name": "x", "attribution": 1.0}],
    }  # fmt: skip


def test_examples_as_json_name_their_prototypes() -> None:
    example = make_report().examples[0].to_json()
    assert example["prototypes"] == [
        {"row_id": "11ee", "source": "drawn, row 4", "label": "<u>cow</u>", "distance": 0.25}
    ]
