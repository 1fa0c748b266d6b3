"""The report: rows by position, and pictures of what was found beside what they repeat."""

import numpy as np
import pytest

from headrace.contracts import ColumnFinding, Finding, Spec
from headrace.data.checkers import EXAMINERS
from headrace.data.cleaning.checks import rules
from headrace.data.cleaning.decide import CleaningDecision
from headrace.data.cleaning.near_duplicates import Cluster
from headrace.data.cleaning.report import build as made_by
from headrace.data.cleaning.report.build import report, rows_at, shown
from tests.drawn import row_id, rows, write_raw

PICTURE = EXAMINERS["text"].picture


@pytest.fixture
def raw_dir(tmp_path):
    return write_raw(tmp_path / "project", "text", rows("text", 20)).raw_dir


@pytest.fixture
def facts(make_facts):
    return make_facts(
        [row["label"] for row in rows("text", 20)],
        row_ids=[row_id(index).encode() for index in range(20)],
        measure__words=np.arange(20, dtype=np.float32),
        measure__none=np.full(20, np.nan, np.float32),
    )


def judgement(findings):
    made = CleaningDecision(rules({}, "text"), np.ones(20, bool))
    made.add(findings)
    return made


def test_rows_at_reads_rows_of_several_batches(raw_dir):
    found = rows_at(raw_dir, [19, 0, 7, 6])
    assert {position: row["row_id"] for position, row in found.items()} == {
        position: row_id(position) for position in (0, 6, 7, 19)
    }
    assert rows_at(raw_dir, []) == {}


def test_duplicates_are_shown_beside_what_they_repeat(raw_dir, facts):
    found = [Finding(9, "duplicate", f"same content as row {row_id(2)}"), Finding(4, "markup", "1 tag")]
    duplicate, markup = shown(raw_dir, facts, judgement(found), PICTURE)
    assert (duplicate.check, duplicate.num_found) == ("duplicate", 1)
    assert duplicate.figures[0].index("cat number 2:") < duplicate.figures[0].index("dog number 9:")
    assert row_id(9) in duplicate.figures[0]
    assert (markup.check, markup.figures[0].count("number")) == ("markup", 1)


def test_near_duplicates_are_shown_beside_the_first(raw_dir, facts):
    made = judgement([Finding(5, "near_duplicate", "almost the same")])
    made.clusters = [Cluster([8, 5], row_id(8), {5: 0.9, 8: 0.9})]
    (near,) = shown(raw_dir, facts, made, PICTURE)
    assert "cat number 8:" in near.figures[0]
    assert "dog number 5:" in near.figures[0]


def test_a_row_is_shown_once_a_check_and_only_so_many(raw_dir, facts, monkeypatch):
    monkeypatch.setattr(made_by, "FIGURES_PER_CHECK", 2)
    found = [Finding(row, "undecodable", f"first {row}") for row in (1, 2, 3)] + [Finding(1, "undecodable", "<more>")]
    (broken,) = shown(raw_dir, facts, judgement(found), PICTURE)
    assert (broken.num_found, len(broken.figures)) == (3, 2)
    assert "first 1; &lt;more&gt;; label dog" in broken.figures[0]


def test_what_is_told_of_rows_that_left_is_not_shown(raw_dir, facts):
    found = [Finding(4, "empty", "nothing"), Finding(4, "markup", "1 tag"), Finding(5, "markup", "2 tags")]
    told = {one.check: one.num_found for one in shown(raw_dir, facts, judgement(found), PICTURE)}
    assert told == {"empty": 1, "markup": 1}


def test_report_counts_rows_columns_and_remarks(facts):
    made = judgement([Finding(4, "empty", "nothing"), Finding(5, "markup", "1 tag"), Finding(5, "markup", "again")])
    made.remarks = [("imbalance", "uneven")]
    spec = Spec(modality="text", task="classification", source="x", format="x", num_rows=19)
    columns = [ColumnFinding("size", "leakage", "x"), ColumnFinding("colour", "leakage", "y")]
    put = report(spec, facts, made, columns=columns, metrics={"rows_in": 20}, figures=[])
    assert put.counts == {"empty": 1, "markup": 1, "leakage": 2, "imbalance": 1}
    assert put.histograms.keys() == {"words"}
    assert "<td class=n>10</td><td class=n>9</td>" in put.classes
    numbers = report(spec.model_copy(update={"task": "regression"}), facts, made, columns=[], metrics={}, figures=[])
    assert numbers.classes == ""
