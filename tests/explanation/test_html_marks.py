import pytest

from headrace.explanation.html_marks import TEMPLATE, make_marks
from headrace.html_page import render_macro


def test_marks_are_scaled_to_the_strongest():
    marks = make_marks([("a", "1", 0.5), ("b", "", -2.0), ("c", "", 0.0)])
    assert [(mark.strength, mark.side) for mark in marks] == [(0.25, "for"), (1.0, "against"), (0.0, "against")]
    assert [mark.strength for mark in make_marks([("a", "", 0.0)])] == [0.0]
    assert make_marks([]) == []


def test_tokens_are_escaped_and_coloured_by_strength():
    html = render_macro(TEMPLATE, "tokens", make_marks([("<script>", "", 1.0), (" fine", "", -0.5)]))
    assert '<span class="for" style="--strength: 1.00" title="+1">&lt;script&gt;</span>' in html
    assert '<span class="against" style="--strength: 0.50" title="-0.5"> fine</span></p>' in html


def test_bars_are_escaped_and_show_values():
    html = render_macro(TEMPLATE, "bars", make_marks([("<b>", '"x"', 0.0), ("plain", "", -2.0)]))
    assert "<b>" not in html
    assert '<span class="value" title="&#34;x&#34;">&#34;x&#34;</span>' in html
    assert '<i class="against" style="width: 100.0%" title="-2"></i>' in html


@pytest.mark.parametrize("macro", ["bars", "tokens"])
def test_rows_without_places_have_no_marks(macro):
    html = render_macro(TEMPLATE, macro, [])
    assert "<span" not in html
