from xml.etree import ElementTree as ET

import numpy as np
import pytest

from headrace.evaluation.diagnosis.figures import draw_figures, list_confusions, trace_curves

RNG = np.random.default_rng(0)
CELLS = np.zeros((120, 1), np.float32)
SVG = "{http://www.w3.org/2000/svg}"


def classify(make_subject, num_classes, noise=1.5, num_rows=120):
    targets = np.arange(num_rows) % num_classes
    logits = 3 * np.eye(num_classes)[targets] + np.random.default_rng(0).normal(0, noise, (num_rows, num_classes))
    classes = [f"class <{index}> & more" for index in range(num_classes)]
    return make_subject(CELLS[:num_rows], targets, lambda _: logits, classes=classes)


def figures_of(subject):
    return {name: ET.fromstring(svg) for name, svg in draw_figures(subject)}


def text_of(figure):
    return " ".join(element.text or "" for element in figure.iter(f"{SVG}text"))


def test_draw_figures_of_a_classification_describe_themselves(make_subject):
    figures = figures_of(classify(make_subject, 3))
    assert list(figures) == ["reliability", "confusion", "roc", "precision_recall"]
    for figure in figures.values():
        assert figure.get("role") == "img"
        assert figure.find(f"{SVG}title").text
        assert len(figure.find(f"{SVG}desc").text) > 20
    assert len(figures["roc"].findall(f"{SVG}polyline")) == 4  # a curve for each class, and the diagonal
    counts = [element.text for element in figures["confusion"].iter(f"{SVG}text") if "cell" in element.get("class")]
    assert sum(map(int, counts)) == 120
    assert len(counts) == 9


def test_draw_figures_are_the_same_each_time(make_subject):
    subject = classify(make_subject, 3)
    assert dict(draw_figures(subject)) == dict(draw_figures(subject))


def test_draw_figures_of_many_classes_lists_the_commonest_confusions(make_subject):
    figures = figures_of(classify(make_subject, 20))
    assert "Most frequent confusions" in text_of(figures["confusion"])
    assert len(figures["confusion"].findall(f"{SVG}rect")) <= 15
    assert len(figures["roc"].findall(f"{SVG}polyline")) == 7


@pytest.mark.parametrize("num_rows", [1, 2])
def test_draw_figures_of_few_rows_has_no_curve_without_both_kinds(make_subject, num_rows):
    figures = figures_of(classify(make_subject, 2, num_rows=num_rows))
    assert ("roc" in figures) == (num_rows == 2)
    assert {"reliability", "confusion"} <= set(figures)


def test_draw_figures_of_a_regression_shows_its_errors(make_subject):
    targets = RNG.normal(5, 2, 120).astype(np.float32)
    figures = figures_of(make_subject(CELLS, targets, lambda rows: rows + 5, task="regression"))
    assert list(figures) == ["residuals"]
    assert len(figures["residuals"].findall(f"{SVG}circle")) == 120


def test_draw_figures_of_labels_has_a_curve_for_each(make_subject):
    flags = (RNG.random((120, 2)) < 0.5).astype(np.float32)
    outputs = flags + RNG.normal(0, 1, flags.shape)
    figures = figures_of(make_subject(CELLS, flags, lambda _: outputs, task="multilabel", classes=["a", "b"]))
    assert list(figures) == ["reliability", "roc", "precision_recall"]
    assert len(figures["precision_recall"].findall(f"{SVG}polyline")) == 2


def test_trace_curves_of_two_classes_has_the_second_one(make_subject):
    assert list(trace_curves(classify(make_subject, 2))) == ["class <1> & more"]


def test_list_confusions_the_commonest_first_without_right_ones():
    counts = np.array([[9, 2, 0], [1, 9, 0], [0, 5, 9]])
    assert list_confusions(counts, ["a", "b", "c"]) == [("c", "b", 5), ("a", "b", 2), ("b", "a", 1)]
