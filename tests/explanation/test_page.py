import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from headrace.contracts import Metrics
from headrace.explanation.figures import heat_uri, image_uri
from headrace.explanation.page import Example, Findings, page
from headrace.explanation.views.image import ImageView
from headrace.explanation.views.table import TableView

CURVES = {"most attributed first": np.linspace(1, 0, 5), "random order": np.ones(5)}
METRICS: Metrics = {"num_rows": 3, "deletion_auc": 0.1, "random_auc": 0.4, "faithfulness": 0.3, "int8_agreement": 0.99}


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))))


def findings(metrics: Metrics = METRICS) -> Findings:
    view, row, attribution = ImageView({"mean": [0.0]}), np.zeros((4, 4, 1), np.uint8), np.eye(4, dtype=np.float32)
    example = Example("wrong", "00ff", "<b>cat</b>", "dog & co", 0.75, view.show(row, attribution))
    overview = view.overview(row[None], attribution[None], {"<i>": np.ones(1, bool)})
    return Findings("drawn", "classification", "occlusion", view.words, metrics, CURVES, [example], overview)


def test_page_is_whole_html_that_loads_nothing_from_elsewhere() -> None:
    text = page(findings())
    open_tags: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
            if tag not in {"meta", "img"}:
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Checker().feed(text)
    assert open_tags == []
    assert re.findall(r'(?:src|href)="(?!data:image/png;base64,)', text) == []
    assert "http" not in text


def test_page_escapes_names_and_tells_prediction_truth_and_confidence() -> None:
    text = page(findings())
    assert "&lt;b&gt;cat&lt;/b&gt;" in text
    assert "<b>cat</b>" not in text
    assert "dog &amp; co" in text
    assert "75.0%" in text
    assert "&lt;i&gt;" in text


def test_page_tells_whether_the_maps_can_be_believed() -> None:
    assert "they point at what it uses" in page(findings())
    assert "no better than chance" in page(findings({**METRICS, "faithfulness": -0.01}))


def test_page_tells_int8_agreement_only_where_there_is_one() -> None:
    assert "99.0%" in page(findings())
    without = {name: value for name, value in METRICS.items() if name != "int8_agreement"}
    assert "int8" not in page(findings(without))


def test_page_of_a_regression_tells_values_and_no_confidence() -> None:
    example = Example("furthest", "00ff", 1.25, 1234567.0, None, "<p>shown</p>", [{"name": "x", "attribution": 1.0}])
    metrics = {**METRICS, "int8_difference": 0.01234}
    told = Findings("drawn", "regression", "occlusion", TableView.words, metrics, CURVES, [example], "<p>over</p>")
    text = page(told)
    assert "<strong>1.23457e+06</strong> &middot; is <strong>1.25</strong>" in text
    assert "<p>shown</p>" in text
    assert "<p>over</p>" in text
    assert "Columns were replaced" in text
    assert "raises it" in text
    assert "0.01234" in text
    assert "probability" not in text
    assert example.told() == {
        "group": "furthest", "row_id": "00ff", "actual": 1.25, "predicted": 1234567.0,
        "parts": [{"name": "x", "attribution": 1.0}],
    }  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
def test_image_comes_back_as_it_was(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, channels), dtype=np.uint8)
    assert (decoded(image_uri(pixels)).reshape(pixels.shape) == pixels).all()


def test_heat_is_red_for_blue_against_and_pale_for_nothing() -> None:
    red, blue, pale = decoded(heat_uri(np.array([[1.0, -1.0, 0.0]], np.float32)))[0].astype(int)
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    assert (pale > 240).all()
    assert (decoded(heat_uri(np.zeros((2, 2), np.float32))) > 240).all()
