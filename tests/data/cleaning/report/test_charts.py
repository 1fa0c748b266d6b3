"""Charts of the cleaning report: bars are as high as their counts."""

import numpy as np
import pytest

from headrace.data.cleaning.report.charts import MAX_CLASSES, NUM_BINS, build_class_chart, build_histogram


def nonzero(heights):
    return [height for height in heights if height]


def test_histogram_bars_are_proportional_to_their_counts():
    values = np.array([0.0] * 30 + [10.0] * 10 + [np.nan, np.inf], np.float32)
    chart = build_histogram(values, np.arange(42) >= 15)
    assert nonzero(chart.before) == pytest.approx([100, 100 / 3])
    assert nonzero(chart.after) == pytest.approx([50, 100 / 3])
    assert (chart.low, chart.high) == ("0", "10")


def test_histogram_counts_extreme_values_in_the_last_bar():
    chart = build_histogram(np.array([*np.linspace(0, 1, 5000), 1e9], np.float32), np.ones(5001, bool))
    assert len(nonzero(chart.before)) == NUM_BINS
    assert chart.high == "0.9992"


def test_histogram_of_one_value():
    chart = build_histogram(np.full(7, 3.0, np.float32), np.zeros(7, bool))
    assert nonzero(chart.before) == [100]
    assert nonzero(chart.after) == []
    assert (chart.low, chart.high) == ("3", "4")


def test_histogram_without_finite_values_is_none():
    assert build_histogram(np.full(4, np.nan, np.float32), np.ones(4, bool)) is None
    assert build_histogram(np.empty(0, np.float32), np.empty(0, bool)) is None


def test_class_chart_is_sorted_by_size():
    chart = build_class_chart({"dog": 10, "cat": 40}, {"cat": 30})
    assert chart == ([("cat", 40, 30, 100, 75), ("dog", 10, 0, 25, 0)], 0)


def test_class_chart_shows_the_largest_classes():
    chart = build_class_chart({f"c{index}": index for index in range(MAX_CLASSES + 5)}, {})
    assert len(chart.bars) == MAX_CLASSES
    assert chart.num_hidden == 5
    assert chart.bars[-1].name == "c5"
    assert build_class_chart({"a": 0}, {}).bars == [("a", 0, 0, 0, 0)]
