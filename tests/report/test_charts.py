import math

import pytest

from headrace.report.charts import build_line_chart, choose_ticks


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0, 1.0], [0, 1]),
        ([0.03, 0.97], [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([1.0, 20.0], [0, 5, 10, 15, 20]),
        ([1.0, 3.0], [1, 2, 3]),
        ([-7.5, 3.2], [-7.5, -5, -2.5, 0, 2.5, 5]),
        ([5.5, 5.5], [2, 4, 6, 8, 10]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(values, ticks):
    assert choose_ticks(values) == pytest.approx(ticks)


def test_ticks_of_one_value_of_zero_enclose_it():
    ticks = choose_ticks([0.0])
    assert ticks[0] < 0 < ticks[-1] or ticks[0] <= 0 < ticks[-1]


def test_chart_scales_all_curves_to_one_range():
    chart = build_line_chart("Loss", "epoch", {"train rows": [(1, 0.5), (3, 2.0)], "validation rows": [(1, 0.0)]})
    assert chart is not None
    assert chart.x_ticks == ["1", "2", "3"]
    assert chart.y_ticks == ["2", "1.5", "1", "0.5", "0"]
    assert chart.curves == {"train rows": "0.00,75.00 100.00,0.00", "validation rows": "0.00,100.00"}
    assert chart.summary == "Loss by epoch: train rows, validation rows; from 0 to 2"


def test_chart_leaves_out_what_is_not_finite():
    chart = build_line_chart("Loss", "epoch", {"a": [(1, math.nan), (2, 1.5), (3, 2.5)], "b": [(1, math.inf)]})
    assert chart is not None
    assert list(chart.curves) == ["a"]
    assert chart.curves["a"].count(",") == 2


def test_chart_without_points_is_none():
    assert build_line_chart("Loss", "epoch", {"a": []}) is None
