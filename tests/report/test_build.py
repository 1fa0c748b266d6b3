"""The page as a whole: complete, escaped, self-contained, and the same for the same files."""

import re

from headrace.paths import Paths
from headrace.report.build import build_report, describe_verdict, write_report
from headrace.report.run_files import RunFiles
from headrace.settings.register import Config


def test_page_and_card_are_the_same_for_the_same_files(complete):
    write_report(Config(), complete)
    first = complete.report_path.read_bytes(), complete.model_card_path.read_bytes()
    write_report(Config(), complete)
    assert (complete.report_path.read_bytes(), complete.model_card_path.read_bytes()) == first


def test_page_escapes_what_data_and_people_write(complete):
    write_report(Config(intended_use="<script>alert(1)</script> `a<b`"), complete)
    page = complete.report_path.read_text()
    assert "<script" not in page
    assert "<code>a&lt;b</code>" in page
    assert "not | bad &lt;i&gt;" in page


def test_page_loads_nothing_and_links_to_what_is_there(complete):
    write_report(Config(), complete)
    page = complete.report_path.read_text()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert {address for address in addresses if not address.startswith(("data:", "#"))} == {
        "clean.html",
        "explain/index.html",
    }
    anchors = {address[1:] for address in addresses if address.startswith("#")}
    assert all(f'id="{anchor}"' in page for anchor in anchors)
    assert re.findall(r"url\(|@import|https?://(?!www\.w3\.org)", page) == []


def test_verdict_of_each_end(complete):
    assert describe_verdict(RunFiles(complete)) == (
        "Registered as reviews version 2 (int8): not champion: worse than reviews version 1. "
        "Logistic regression is as good."
    )
    plain = {"name": "a", "version": 1, "precision": "float32", "aliases": ["challenger", "champion"]}
    assert describe_verdict(RunFiles(complete, plain)) == (
        "Registered as a version 1 (float32): champion. Logistic regression is as good."
    )
    complete.metrics_path("validate").unlink()
    assert describe_verdict(RunFiles(complete)).startswith("Not registered: stage validate ")


def test_report_of_an_empty_project_names_the_stages(tmp_path):
    write_report(Config(), Paths(tmp_path))
    page = Paths(tmp_path).report_path.read_text()
    assert "Not registered: stage ingest has not run" in page
    assert "Stage test, which writes metrics/test.json, has not run to its end." in page


def test_cards_at_the_top(complete):
    cards = {card.label: (card.value, card.note) for card in build_report(Config(), RunFiles(complete)).cards}
    assert cards["Accuracy"] == ("80.0%", "95 %: 50.0% to 95.0%")
    assert cards["Served graph"] == ("127 kB", "int8, 0.123 ms a row")
    assert cards["Explanations"] == ("+0.01", "deletion, 0 is chance; 95 %: -0.02 to 0.04")
