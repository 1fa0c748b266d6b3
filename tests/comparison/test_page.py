"""The page: self-contained, escaped, with the rows' content, and readable without data."""

import re
from html import unescape

import numpy as np
import pyarrow as pa
import pytest

from headrace.comparison.compare_models import compare_models
from headrace.comparison.page import render_comparisons
from headrace.comparison.project_rows import open_project_rows
from headrace.storage.arrays import open_arrays
from tests.comparison.stored_models import draw_classes, draw_labels, draw_values


def render(models, project=None):
    return render_comparisons(models, compare_models(models, project, 5))


@pytest.mark.parametrize("draw", [draw_classes, draw_labels, draw_values])
def test_page_of_every_task_is_complete_and_loads_nothing(make_models, draw):
    page = render(make_models(draw(300, 0.6, 2), draw(300, 0.9, 3)))
    for heading in ("Models", "Metrics", "What differs", "Rows", "Parts of the rows"):
        assert f">{heading}</h2>" in page
    assert "This project does not have these rows" in page
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    anchors = {address[1:] for address in addresses if address.startswith("#")}
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert all(f'id="{anchor}"' in page for anchor in anchors)
    assert re.findall(r"url\(|@import|https?://(?!www\.w3\.org)", page) == []


def test_page_of_several_models_has_a_section_for_each_and_distinct_anchors(make_models):
    page = render(make_models(*(draw_classes(300, 0.8, seed) for seed in (2, 3, 4, 5))))
    assert "<h1>Comparison: 4 models</h1>" in page
    ids = re.findall(r'<h2 id="([^"]*)"', page)
    assert len(ids) == len(set(ids)) == 1 + 3 * 4


def test_page_escapes_names(make_models):
    classes = ["<script>", "b", "c"]
    page = render(make_models(draw_classes(300, 0.6, 2, classes=classes), draw_classes(300, 0.9, 3, classes=classes)))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_page_without_common_rows_says_why(make_models):
    page = render(make_models(draw_classes(40, 0.8, 2), draw_values(40, 1.0, 2)))
    assert 'class="verdict wrong"' in page
    assert page.count("A is a classification, B a regression") == 2
    assert "There are no common rows." in page


@pytest.mark.parametrize(
    ("modality", "part"), [("image", 'src="data:image/png;base64,'), ("text", ""), ("table", "colour ")]
)
def test_page_shows_pictures_texts_and_cells(built_project, make_models, modality, part):
    paths = built_project(modality, "classification")
    project, row_ids = open_project_rows(paths), open_arrays(paths.normalized_dir / "test").row_ids.astype(str)
    tables = [
        draw_classes(len(row_ids), accuracy, seed).set_column(0, "row_id", pa.array(row_ids))
        for accuracy, seed in ((0.7, 2), (0.9, 3))
    ]
    models = make_models(*tables)
    page = render(models, project)
    comparison = compare_models(models, project, 5)[0]
    texts = [content.get("text", "") for content in comparison.contents.values()]
    assert len(texts) >= 5
    assert all(text in unescape(page) for text in texts)
    assert part in page
    assert "This project does not have these rows" not in page
    assert {change.column for change in comparison.slices} > {"class"}
    assert np.isfinite([change.p for change in comparison.slices]).all()
