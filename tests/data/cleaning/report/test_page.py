"""The page: everything is told, nothing that a source holds is taken for HTML, and nothing comes from elsewhere."""

from html.parser import HTMLParser

from headrace.contracts import ColumnFinding
from headrace.data.cleaning.checks import rules
from headrace.data.cleaning.report.page import Report, Shown, page

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


def report(**changed):
    given = {
        "source": EVIL, "rules": rules({"out_of_range": {"ranges": {EVIL: [0, 1]}}}, "table"),
        "metrics": {"rows_in": 12345, "rows_out": 12000, "quarantined": 345, "repaired": 0, "classes": 2},
        "counts": {"duplicate": 345, "leakage": 1},
        "columns": [ColumnFinding(EVIL, "leakage", f"tells {EVIL}")], "remarks": [("imbalance", f"class {EVIL}")],
        "classes": "<table><tr><td>cat</td></tr></table>", "histograms": {EVIL: "<svg></svg>"},
        "shown": [Shown("duplicate", ["<figure>one</figure>"], 345), Shown("outlier", ["<figure>two</figure>"], 1)],
    }  # fmt: skip
    return Report(**(given | changed))


def tags(html):
    parser = Tags()
    parser.feed(html)
    return parser


def test_page_is_whole_and_holds_no_script():
    parser = tags(page(report()))
    assert parser.open == []
    assert "script" not in parser.seen
    assert not [value for name, value in parser.attributes if name in {"src", "href"} or name.startswith("on")]


def test_page_tells_what_was_found():
    html = page(report())
    assert "<b>12,345</b>rows in" in html
    assert "<b>0</b>repaired" in html
    assert "345 found, 1 shown" in html
    assert "1 found<" in html
    assert html.count("&lt;script&gt;") == 2 + 2 + 1 + 1 + 1  # title, column, remark, option, histogram
    for name in rules({}, "table"):
        assert f"<td class=name>{name}</td>" in html


def test_page_of_numbers_has_no_classes():
    html = page(report(metrics=report().metrics | {"classes": 0}, classes="", histograms={}, columns=[], shown=[]))
    assert "Classes" not in html
    assert "<b>0</b>classes" not in html
    assert "Distributions" not in html
    assert "Columns" not in html
