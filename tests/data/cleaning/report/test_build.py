"""The cleaning report: rows by position, and examples next to the rows that they repeat."""

import numpy as np
import pytest

from headrace.contracts import Column, ColumnFinding, Finding, Spec
from headrace.data.checkers import CHECKERS
from headrace.data.cleaning.checks import resolve_rules
from headrace.data.cleaning.decide import CleaningDecision
from headrace.data.cleaning.near_duplicates import Cluster
from headrace.data.cleaning.report import build
from headrace.data.cleaning.report.build import build_report, collect_examples, read_rows_at
from tests.drawn import row_id, rows, write_raw

PICTURE = CHECKERS["text"].render_html


@pytest.fixture
def raw_dir(tmp_path):
    return write_raw(tmp_path / "project", "text", rows("text", 20)).raw_dir


@pytest.fixture
def row_index(make_row_index):
    return make_row_index(
        [row["label"] for row in rows("text", 20)],
        row_ids=[row_id(index).encode() for index in range(20)],
        measure__words=np.arange(20, dtype=np.float32),
        measure__none=np.full(20, np.nan, np.float32),
    )


def decide(findings):
    decision = CleaningDecision(resolve_rules({}, "text"), np.ones(20, bool))
    decision.add(findings)
    return decision


def test_rows_are_read_from_several_batches(raw_dir):
    listed = read_rows_at(raw_dir, [19, 0, 7, 6])
    assert {position: row["row_id"] for position, row in listed.items()} == {
        position: row_id(position) for position in (0, 6, 7, 19)
    }
    assert read_rows_at(raw_dir, []) == {}


def test_duplicate_is_shown_after_the_row_that_it_repeats(raw_dir, row_index):
    findings = [Finding(9, "duplicate", "same content as rows.csv:4", repeats=2), Finding(4, "markup", "1 tag")]
    duplicate, markup = collect_examples(raw_dir, row_index, decide(findings), PICTURE)
    assert (duplicate.check, duplicate.num_found) == ("duplicate", 1)
    assert ["cat number 2:" in duplicate.rows[0].pictures[0], "dog number 9:" in duplicate.rows[0].pictures[1]] == [
        True,
        True,
    ]
    assert (duplicate.rows[0].row_id, duplicate.rows[0].source) == (row_id(9), "rows.csv:11")
    assert (markup.check, len(markup.rows[0].pictures)) == ("markup", 1)


def test_near_duplicate_is_shown_after_the_first_of_its_cluster(raw_dir, row_index):
    cluster = Cluster([8, 5], row_id(8), {5: 0.9, 8: 0.9})
    decision = decide(cluster.findings(row_index.name_row))
    (near,) = collect_examples(raw_dir, row_index, decision, PICTURE)
    assert "cat number 8:" in near.rows[0].pictures[0]
    assert "dog number 5:" in near.rows[0].pictures[1]


def test_each_row_is_shown_once_a_check_up_to_the_limit(raw_dir, row_index, monkeypatch):
    monkeypatch.setattr(build, "EXAMPLES_PER_CHECK", 2)
    findings = [Finding(row, "undecodable", f"first {row}") for row in (1, 2, 3)] + [
        Finding(1, "undecodable", "<more>")
    ]
    (broken,) = collect_examples(raw_dir, row_index, decide(findings), PICTURE)
    assert (broken.num_found, len(broken.rows)) == (3, 2)
    assert (broken.rows[0].reason, broken.rows[0].label) == ("first 1; <more>", "dog")


def test_notes_about_rejected_rows_are_not_shown(raw_dir, row_index):
    findings = [Finding(4, "empty", "nothing"), Finding(4, "markup", "1 tag"), Finding(5, "markup", "2 tags")]
    num_found = {
        examples.check: examples.num_found
        for examples in collect_examples(raw_dir, row_index, decide(findings), PICTURE)
    }
    assert num_found == {"empty": 1, "markup": 1}


def test_report_counts_rows_columns_and_remarks(row_index):
    decision = decide([Finding(4, "empty", "nothing"), Finding(5, "markup", "1 tag"), Finding(5, "markup", "again")])
    decision.remarks = [("imbalance", "uneven")]
    spec = Spec(modality="text", task="classification", source="x", format="x", num_rows=19)
    columns = [ColumnFinding("size", "leakage", "x"), ColumnFinding("colour", "leakage", "y")]
    report = build_report(spec, row_index, decision, columns=columns, metrics={"rows_in": 20}, examples=[])
    assert report.counts == {"empty": 1, "markup": 1, "leakage": 2, "imbalance": 1}
    assert report.histograms.keys() == {"words"}
    assert report.not_drawn == ["none"]
    assert report.classes.bars[0][:3] == ("cat", 10, 9)
    regression = build_report(
        spec.model_copy(update={"task": "regression"}), row_index, decision, columns=[], metrics={}, examples=[]
    )
    assert regression.classes is None


def test_report_names_the_columns_without_a_histogram(make_row_index, monkeypatch):
    monkeypatch.setattr(build, "MAX_HISTOGRAMS", 2)
    measures = {f"measure__{name}": np.arange(20, dtype=np.float32) for name in ("a", "b", "c")}
    row_index = make_row_index([row["label"] for row in rows("text", 20)], **measures)
    columns = [Column(name=name, kind="categorical" if name == "e" else "numeric") for name in "bcde"]
    spec = Spec(modality="table", task="classification", source="x", format="x", num_rows=20, columns=columns)
    report = build_report(spec, row_index, decide([]), columns=[], metrics={}, examples=[])
    assert (list(report.histograms), report.not_drawn) == (["a", "b"], ["c", "d"])
