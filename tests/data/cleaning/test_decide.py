"""The decision: each check on the rows that the checks before it accepted, by its severity."""

import re

import numpy as np
import pytest

from headrace.contracts import Finding, Spec
from headrace.data.checkers import CHECKERS
from headrace.data.cleaning.checks import resolve_rules
from headrace.data.cleaning.decide import CleaningDecision, decide_rows
from headrace.errors import DataError

SPEC = Spec(modality="text", task="classification", source="x", format="x", num_rows=0)


def decide(row_index, task="classification", **settings):
    spec = SPEC.model_copy(update={"task": task})
    return decide_rows(row_index, CHECKERS["text"], spec, resolve_rules(settings, "text"), "data/raw")


@pytest.fixture
def row_index(make_row_index):
    """Six rows of `a`, three of `b`, one without a label: 0 and 1 are equal, 2 is broken, 8 is long."""
    index = make_row_index(
        [*"aaaaaabbb", None],
        keys=np.array([b"x", b"x", *(b"k%d" % row for row in range(8))], "S16"),
        hashes=np.empty((10, 0), np.uint64),
        sketches=np.empty((10, 0), np.uint8),
        features=np.empty((10, 0), np.float32),
        measure__characters=np.array([100.0] * 8 + [9e6, 100.0], np.float32),
    )
    index.findings = [
        Finding(2, "undecodable", "broken"),
        Finding(3, "markup", "1 tag"),
        Finding(9, "missing_label", ""),
    ]
    return index


def test_every_check_decides_by_its_severity(row_index):
    decision = decide(row_index)
    assert {row: [finding.check for finding in findings] for row, findings in decision.rejections.items()} == {
        1: ["duplicate"], 2: ["undecodable"], 9: ["missing_label"],
    }  # fmt: skip
    assert [row for row in range(10) if not decision.is_accepted[row]] == [1, 2, 9]
    assert [(finding.row, finding.check) for finding in decision.notes] == [(3, "markup"), (8, "length_outlier")]
    assert decision.counts() == {
        ("quarantined", "duplicate"): 1, ("quarantined", "undecodable"): 1, ("quarantined", "missing_label"): 1,
        ("repaired", "markup"): 1, ("warned", "length_outlier"): 1,
    }  # fmt: skip


def test_rejected_row_is_not_the_original_of_a_duplicate(row_index):
    row_index.findings.append(Finding(0, "undecodable", "broken"))
    assert decide(row_index).rejections.keys() == {0, 2, 9}


def test_rare_classes_are_counted_after_every_other_check(row_index):
    settings = {"length_outlier": "drop", "rare_class": {"severity": "drop", "min_rows": 3}}
    decision = decide(row_index, **settings)
    assert [finding.check for finding in decision.rejections[8]] == ["length_outlier"]
    assert [finding.check for finding in decision.rejections[6]] == ["rare_class"]
    assert not decision.is_accepted[6:].any()


def test_regression_has_no_class_checks(row_index):
    decision = decide(row_index, task="regression", rare_class={"min_rows": 99}, imbalance={"max_ratio": 1})
    assert decision.is_accepted.sum() == 7
    assert decision.remarks == []


def test_notes_about_rejected_rows_are_not_counted():
    decision = CleaningDecision(resolve_rules({}, "text"), np.ones(2, bool))
    decision.add([Finding(0, "markup", "1 tag"), Finding(0, "empty", ""), Finding(0, "empty", "again")])
    decision.add([Finding(1, "length_outlier", "long"), Finding(1, "length_outlier", "and many words")])
    assert decision.counts() == {("quarantined", "empty"): 1, ("warned", "length_outlier"): 1}
    assert [finding.row for finding in decision.accepted_notes()] == [1, 1]


def test_finding_of_severity_error_raises_with_the_first_row(row_index):
    line = (
        "rows.csv:4: broken (clean.checks.undecodable: error); correct that row in the source, or set"
        " clean.checks.undecodable: drop"
    )
    with pytest.raises(DataError, match=f"^{re.escape(line)}$"):
        decide(row_index, markup="error", undecodable="error")


def test_check_that_compares_rows_stops_before_the_checks_after_it(row_index):
    # rare_class would raise too
    with pytest.raises(
        DataError, match=r"^rows\.csv:3: same content as rows\.csv:2 \(clean\.checks\.duplicate: error\)"
    ):
        decide(row_index, duplicate="error", rare_class={"min_rows": 99})


def test_rejected_row_is_no_error(row_index):
    row_index.findings.append(Finding(3, "empty", "nothing"))
    assert decide(row_index, markup="error").rejections.keys() >= {3}


def test_remark_of_severity_error_raises(row_index):
    with pytest.raises(DataError, match=r"^data/raw: class 'a' has 4 rows, 'b' 3: .* \(imbalance\); add rows, or set"):
        decide(row_index, imbalance={"severity": "error", "max_ratio": 1.1})
    assert decide(row_index, imbalance={"max_ratio": 1.1}).remarks
