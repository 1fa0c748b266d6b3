from xml.etree import ElementTree as ET

import pytest

from headrace.evaluation.diagnosis.svg_chart import BOTTOM, HEIGHT, LEFT, STYLE, TOP, Chart, shorten

SVG = "{http://www.w3.org/2000/svg}"


def test_place_maps_the_ranges_to_the_area_of_the_axes():
    chart = Chart("title", "description")
    chart.draw_axes("x", "y", (10, 20), (-1, 1))
    assert chart.place((10, -1)) == (LEFT, HEIGHT - BOTTOM)
    assert chart.place((20, 1)) == pytest.approx((chart.right, TOP))
    assert chart.place((15, 0)) == pytest.approx(((LEFT + chart.right) / 2, (TOP + HEIGHT - BOTTOM) / 2))


def test_to_svg_escapes_texts_and_follows_the_theme():
    chart = Chart("a < b & c", "<script>alert(1)</script>", has_legend=True)
    chart.add_legend(['"quoted" <b>'])
    svg = chart.to_svg()
    assert "<script>" not in svg
    root = ET.fromstring(svg)
    assert root.find(f"{SVG}desc").text == "<script>alert(1)</script>"
    assert '"quoted" <b>' in [element.text for element in root.iter(f"{SVG}text")]
    assert "prefers-color-scheme:dark" in root.find(f"{SVG}style").text == STYLE


def test_axes_of_one_value_do_not_divide_by_zero():
    chart = Chart("title", "description")
    chart.draw_axes("x", "y", (3, 3), (0, 0))
    chart.draw_dots([(3, 0)])
    assert "nan" not in chart.to_svg()


def test_shorten_cuts_long_texts():
    assert shorten("abcdefgh", 8) == "abcdefgh"
    assert shorten("abcdefghi", 8) == "abcde..."
