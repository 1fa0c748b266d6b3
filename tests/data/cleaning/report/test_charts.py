"""Charts: bars are as high as what they count."""

import re
from xml.etree import ElementTree as ET

import numpy as np

from headrace.data.cleaning.report.charts import CLASSES_SHOWN, HEIGHT, NUM_BINS, classes, histogram


def heights(svg, kind):
    return [float(found) for found in re.findall(rf"<rect class={kind} [^>]*height=([\d.]+)", svg)]


def test_histogram_bars_are_as_high_as_their_counts():
    values = np.array([0.0] * 30 + [10.0] * 10 + [np.nan, np.inf], np.float32)
    is_left = np.arange(42) >= 15
    svg = histogram(values, is_left)
    assert heights(svg, "before") == [HEIGHT, HEIGHT / 3]
    assert heights(svg, "after") == [HEIGHT / 2, HEIGHT / 3]
    assert ">0<" in svg
    assert ">10<" in svg


def test_histogram_keeps_far_values_in_the_last_bar():
    svg = histogram(np.array([*np.linspace(0, 1, 5000), 1e9], np.float32), np.ones(5001, bool))
    assert len(heights(svg, "before")) == NUM_BINS
    assert "1e+09" not in svg


def test_histogram_of_one_value_or_none():
    assert heights(histogram(np.full(7, 3.0, np.float32), np.zeros(7, bool)), "before") == [HEIGHT]
    assert heights(histogram(np.full(7, 3.0, np.float32), np.zeros(7, bool)), "after") == []
    assert histogram(np.full(4, np.nan, np.float32), np.ones(4, bool)) == ""
    assert histogram(np.empty(0, np.float32), np.empty(0, bool)) == ""


def test_classes_are_told_by_size_and_escaped():
    told = classes({"<b>": 10, "cat": 40}, {"cat": 30})
    assert told.index("cat") < told.index("&lt;b&gt;")
    assert "<b>" not in told
    assert "width:100.00%" in told
    assert "width:75.00%" in told
    assert "width:0.00%" in told
    ET.fromstring(re.sub(r"(class)=(\w+)", r"\1='\2'", told))


def test_many_classes_are_told_in_short():
    told = classes({f"c{index}": index for index in range(CLASSES_SHOWN + 5)}, {})
    assert told.count("<tr>") == CLASSES_SHOWN + 1
    assert "and 5 smaller classes" in told
    assert "smaller" not in classes({"a": 1}, {"a": 1})
