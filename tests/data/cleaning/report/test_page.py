"""The cleaning report as a page: every finding, escaped text, nothing loaded from elsewhere."""

from html import escape
from html.parser import HTMLParser

from headrace.contracts import Assumption, ColumnFinding
from headrace.data.cleaning.checks import resolve_rules
from headrace.data.cleaning.report.charts import ClassBar, ClassChart, Histogram
from headrace.data.cleaning.report.page import CheckExamples, ExampleRow, Report, render_report

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "img", "br", "rect"}


class Tags(HTMLParser):
    """The tags that are open, and all attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def example(**changed):
    return ExampleRow(
        **{"pictures": ["<p>cat</p>"], "reason": EVIL, "label": EVIL, "row_id": "00ff", "source": EVIL} | changed
    )


def report(**changed):
    given = {
        "source": EVIL, "rules": resolve_rules({"out_of_range": {"ranges": {EVIL: [0, 1]}}}, "table"),
        "metrics": {"rows_in": 12345, "rows_out": 12000, "quarantined": 345, "repaired": 0, "classes": 2},
        "counts": {"duplicate": 345, "leakage": 1},
        "columns": [ColumnFinding(EVIL, "leakage", f"predicts {EVIL}")], "remarks": [("imbalance", f"class {EVIL}")],
        "classes": ClassChart([ClassBar(EVIL, 2000, 1500, 100.0, 75.0)], 5),
        "histograms": {EVIL: Histogram([0.0, 100.0], [0.0, 50.0], "-1", "2.5")}, "not_drawn": ["height", "width"],
        "examples": [
            CheckExamples("duplicate", [example(pictures=["<p>first</p>", "<p>second</p>"])], 345),
            CheckExamples("outlier", [example()], 1),
        ],
        "assumptions": [
            Assumption(
                stage="ingest", subject="encoding", text=EVIL, setting="ingest.table.encoding: cp1250", is_warning=True
            )
        ],
    }  # fmt: skip
    return Report(**(given | changed))


def tags(html):
    parser = Tags()
    parser.feed(html)
    return parser


def test_page_is_complete_html_without_scripts_and_links():
    parser = tags(render_report(report()))
    assert parser.open == []
    assert "script" not in parser.seen
    assert not [value for name, value in parser.attributes if name in {"src", "href"} or name.startswith("on")]


def test_page_shows_what_was_found():
    html = render_report(report())
    assert "rows in<b>12,345</b>" in html
    assert "repaired<b>0</b>" in html
    assert "345 found, 1 shown" in html
    assert "1 found<" in html
    assert (
        html.count("&lt;script&gt;") == 2 + 2 + 1 + 1 + 1 + 2 + 1 + 6
    )  # title, column, remark, option, class, chart (twice), assumption, rows
    for name in resolve_rules({}, "table"):
        assert f'<th scope="row" class="name">{name}</th>' in html
    assert "(max_ratio 10.0)" in "".join(html.split('<span class="quiet">')).replace("</span>", "")


def test_page_draws_histograms_and_classes():
    html = render_report(report())
    assert '<rect class="before" x="1" y="0.0" width="0.9" height="100.0"/>' in html
    assert '<rect class="after" x="1" y="50.0" width="0.9" height="50.0"/>' in html
    assert "<span>-1</span><span>2.5</span>" in html
    assert 'style="width: 75.00%"' in html
    assert '<td class="number">2,000</td><td class="number">1,500</td>' in html
    assert "and 5 smaller classes" in html
    assert "not drawn: 2 more columns of numbers (height, width)" in html


def test_page_shows_a_duplicate_next_to_the_row_that_it_repeats():
    assert "<div><p>first</p></div><div><p>second</p></div>" in render_report(report())


def test_page_of_a_regression_has_no_classes():
    metrics = report().metrics | {"classes": 0}
    html = render_report(report(metrics=metrics, classes=None, histograms={}, columns=[], examples=[]))
    assert "Classes" not in html
    assert "classes<b>" not in html
    assert "Distributions" not in html
    assert "Columns" not in html


def test_page_lists_assumptions_with_the_settings_that_change_them():
    html = render_report(report())
    assert f'<td>encoding <span class="tag warn">check</span></td>\n<td>{escape(EVIL)}</td>' in html
    assert "<code>ingest.table.encoding: cp1250</code>" in html
    assert "<h2>Assumptions" not in render_report(report(assumptions=[]))
