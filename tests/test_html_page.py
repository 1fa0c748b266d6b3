"""Rendering of pages: values are escaped, a missing value is an error, and backticks become code."""

from importlib.resources import files

import jinja2
import pytest

from headrace.html_page import render_macro, render_page

TEMPLATES = files("headrace") / "templates"


def test_render_page_escapes_the_title_and_contains_the_stylesheet():
    page = render_page("base.html.jinja", title="<b>&")
    assert page.count("&lt;b&gt;&amp;") == 2
    assert (TEMPLATES / "style.css").read_text() in page


def test_render_page_with_a_missing_value_raises():
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render_page("base.html.jinja")


def test_render_macro_returns_html_that_is_not_escaped_again():
    part = render_macro("explanation/marks.html.jinja", "mean_maps", {"<i>": "data:,"})
    assert "&lt;i&gt;" in part
    assert render_page("base.html.jinja", title=part).count("&lt;i&gt;") == 2 * part.count("&lt;i&gt;")


def test_code_spans_escape_before_they_mark():
    from headrace.data.cleaning.checks import CHECKS, Check, resolve_rules
    from headrace.data.cleaning.report.page import Report

    rules = resolve_rules({}, "text")
    metrics = dict.fromkeys(("rows_in", "rows_out", "quarantined", "repaired", "classes"), 0)
    report = Report("x", metrics, rules, {}, [], [], None, {}, [], [], [])
    checks = CHECKS | {"empty": Check("`a<b` and <i>", "drop")}
    page = render_page("cleaning/report.html.jinja", title="x", report=report, checks=checks)
    assert "<td><code>a&lt;b</code> and &lt;i&gt;" in page
