from ruamel.yaml import YAML

from headrace.report.build import build_report
from headrace.report.layout import Report, Section, Table
from headrace.report.model_card import DESCRIPTION_CHARACTERS, PIPELINE_TAGS, render_description, render_model_card
from headrace.report.run_files import RunFiles
from headrace.settings.register import Config


def read_head(card):
    return YAML(typ="safe", pure=True).load(card.split("---\n")[1])


def test_head_is_what_hugging_face_reads(complete):
    config = Config(license="apache-2.0", language=["en"])
    head = read_head(render_model_card(build_report(config, RunFiles(complete))))
    assert (head["license"], head["language"], head["pipeline_tag"]) == ("apache-2.0", ["en"], "text-classification")
    assert head["metrics"] == ["accuracy", "f1"]
    (index,) = head["model-index"]
    assert index["name"] == "reviews"
    (result,) = index["results"]
    assert result["dataset"] == {"type": "csv", "name": "reviews.csv", "split": "test"}
    assert result["metrics"][0] == {"type": "accuracy", "name": "accuracy, test rows", "value": 0.8}


def test_every_kind_of_data_has_a_pipeline_tag():
    assert len(PIPELINE_TAGS) == 9


def test_body_escapes_html_and_bars():
    table = Table("x", ("a", "b"), [["<i>", "1|2"]])
    card = render_model_card(Report("t <b>", "v", is_registered=True, sections=[Section("S", ["one\ntwo"], [table])]))
    assert "# t &lt;b>" in card
    assert "| &lt;i> | 1\\|2 |" in card
    assert "one two" in card
    assert "| --- | ---: |" in card


def test_description_fits_the_database_and_begins_with_what_matters(complete):
    report = build_report(Config(intended_use="x" * 2000, out_of_scope="y" * 1500), RunFiles(complete))
    text = render_description(report)
    assert len(text) <= DESCRIPTION_CHARACTERS
    assert text.index("## Intended use") < text.index("## Limits")
    assert "## Reproduction" not in text
    assert text.endswith("logged model.\n")
