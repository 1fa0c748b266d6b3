from headrace.paths import Paths
from headrace.report.model_sections import (
    describe_explanations,
    describe_limits,
    describe_origin,
    describe_quantization,
    describe_use,
)
from headrace.report.run_files import RunFiles
from headrace.settings.register import Config


def test_use_is_that_of_the_settings_or_says_where_to_write_it():
    section = describe_use(Config(intended_use="Sorting reviews."))
    assert section.sentences[0] == "For: Sorting reviews."
    assert "set register.out_of_scope in params.yaml" in section.sentences[1]


def test_quantization_lists_candidates_and_sensitivity(complete):
    section = describe_quantization(RunFiles(complete))
    assert section.sentences[0] == "Served: int8. weights is smaller."
    candidates, nodes = section.tables
    assert [row[:2] for row in candidates.rows] == [
        ["float32", "reference"],
        ["weights", "served"],
        ["static_minmax", "outputs NaN or infinity"],
    ]
    assert candidates.rows[1][3] == "-0.01 to 0.01"
    assert nodes.rows == [["/dense/Gemm", "Gemm", "0.5", "yes"]]


def test_explanations_say_what_they_show(complete):
    section = describe_explanations(RunFiles(complete))
    assert section.sentences == ["No better than chance."]
    assert ["deletion", "0.01", "-0.02 to 0.04"] in section.tables[0].rows
    assert section.links[0].address == "explain/index.html"


def test_limits_follow_from_the_numbers(complete):
    text = " ".join(describe_limits(RunFiles(complete)).sentences)
    for part in (
        "10 test rows",
        "Fewer than 30 test rows: <bad>, good",
        "2 labels",
        "not clearly better than chance",
        "work tree",
    ):
        assert part in text


def test_origin_has_commit_fingerprint_and_versions(complete):
    section = describe_origin(RunFiles(complete))
    facts = {row[0]: row[1] for row in section.tables[0].rows}
    assert facts["commit"] == "f00d, with changes"
    assert (facts["fingerprint of the code"], facts["torch"], facts["run in MLflow"]) == ("c0de", "2.15.0", "cafe")
    assert "`git checkout f00d`; `dvc checkout, or dvc pull`; `dvc repro`" in section.sentences[0]


def test_sections_without_files_say_so(tmp_path):
    run = RunFiles(Paths(tmp_path))
    for describe in (describe_quantization, describe_explanations, describe_limits, describe_origin):
        assert describe(run).missing
