import pytest

from headrace.explanation.html_marks import TEMPLATE, make_marks
from headrace.html_page import render_macro


def test_marks_are_scaled_to_the_strongest():
    marks = make_marks([("a", "1", 0.5), ("b", "", -2.0), ("c", "", 0.0)])
    assert [(mark.strength, mark.side) for mark in marks] == [(0.25, "for"), (1.0, "against"), (0.0, "against")]
    assert [mark.strength for mark in make_marks([("a", "", 0.0)])] == [0.0]
    assert make_marks([]) == []


def test_tokens_are_escaped_and_coloured_by_strength():
    html = render_macro(TEMPLATE, "tokens", make_marks([("<script>", "", 1.0), (" fine", "", -0.5)]), "occlusion")
    assert '<span class="for" style="--strength: 1.00" title="+1">&lt;script&gt;</span>' in html
    assert '<span class="against" style="--strength: 0.50" title="-0.5"> fine</span></p>' in html


def test_bars_are_escaped_and_show_values():
    html = render_macro(TEMPLATE, "bars", make_marks([("<b>", '"x"', 0.0), ("plain", "", -2.0)]))
    assert "<b>" not in html
    assert '<span class="value" title="&#34;x&#34;">&#34;x&#34;</span>' in html
    assert '<i class="against" role="img" aria-label="-2" style="width: 100.0%" title="-2"></i>' in html


def test_several_methods_are_named_and_a_single_one_is_not():
    marks = make_marks([("a", "", 1.0)])
    html = render_macro(TEMPLATE, "texts", {"integrated gradients": marks, "attention rollout": marks})
    assert html.count('<p class="text" tabindex="0"') == 2
    assert '<p class="method">attention rollout</p>' in html
    assert '<p class="method">' not in render_macro(TEMPLATE, "texts", {"occlusion": marks})


def test_cells_are_escaped_and_say_how_many_are_left_out():
    html = render_macro(TEMPLATE, "cells", [("<a>", "1"), ("b", "x & y")], 3)
    assert "&lt;a&gt;</span> 1, " in html
    assert "x &amp; y and 3 more" in html
    assert "more" not in render_macro(TEMPLATE, "cells", [("a", "1")], 0)


@pytest.mark.parametrize(("macro", "others"), [("bars", []), ("tokens", ["occlusion"])])
def test_rows_without_places_have_no_marks(macro, others):
    html = render_macro(TEMPLATE, macro, [], *others)
    assert "<span" not in html
