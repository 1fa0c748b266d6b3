"""The judgement: each check on the rows that those before it left, by its severity."""

import re

import numpy as np
import pytest

from headrace.contracts import Finding, Spec
from headrace.data.checkers import EXAMINERS
from headrace.data.cleaning.checks import rules
from headrace.data.cleaning.decide import CleaningDecision, decide, refuse_errors
from headrace.errors import DataError

SPEC = Spec(modality="text", task="classification", source="x", format="x", num_rows=0)


def judged(facts, task="classification", **settings):
    spec = SPEC.model_copy(update={"task": task})
    return decide(facts, EXAMINERS["text"], spec, rules(settings, "text"), "data/raw")


@pytest.fixture
def facts(make_facts):
    """Six rows of `a` and four of `b`: 0 and 1 are the same, 2 is found fault with, 9 is in no class."""
    made = make_facts(
        [*"aaaaaabbb", None],
        keys=np.array([b"x", b"x", *(b"k%d" % row for row in range(8))], "S16"),
        hashes=np.empty((10, 0), np.uint64),
        sketches=np.empty((10, 0), np.uint8),
        features=np.empty((10, 0), np.float32),
        measure__characters=np.array([100.0] * 8 + [9e6, 100.0], np.float32),
    )
    made.findings = [
        Finding(2, "undecodable", "broken"),
        Finding(3, "markup", "1 tag"),
        Finding(9, "missing_label", ""),
    ]
    return made


def test_every_check_has_its_say(facts):
    judgement = judged(facts)
    assert {row: [one.check for one in found] for row, found in judgement.faults.items()} == {
        1: ["duplicate"], 2: ["undecodable"], 9: ["missing_label"],
    }  # fmt: skip
    assert [row for row in range(10) if not judgement.is_left[row]] == [1, 2, 9]
    assert [(one.row, one.check) for one in judgement.told] == [(3, "markup"), (8, "length_outlier")]
    assert judgement.counts() == {
        ("quarantined", "duplicate"): 1, ("quarantined", "undecodable"): 1, ("quarantined", "missing_label"): 1,
        ("repaired", "markup"): 1, ("warned", "length_outlier"): 1,
    }  # fmt: skip


def test_a_row_that_left_is_no_duplicate_of_those_that_stay(facts):
    facts.findings.append(Finding(0, "undecodable", "broken"))
    assert judged(facts).faults.keys() == {0, 2, 9}


def test_classes_are_counted_when_all_others_have_judged(facts):
    settings = {"length_outlier": "drop", "rare_class": {"severity": "drop", "min_rows": 3}}
    judgement = judged(facts, **settings)
    assert [one.check for one in judgement.faults[8]] == ["length_outlier"]
    assert [one.check for one in judgement.faults[6]] == ["rare_class"]
    assert not judgement.is_left[6:].any()


def test_numbers_have_no_classes(facts):
    judgement = judged(facts, task="regression", rare_class={"min_rows": 99}, imbalance={"max_ratio": 1})
    assert judgement.is_left.sum() == 7
    assert judgement.remarks == []


def test_what_is_told_of_rows_that_left_is_not_counted():
    judgement = CleaningDecision(rules({}, "text"), np.ones(2, bool))
    judgement.add([Finding(0, "markup", "1 tag"), Finding(0, "empty", ""), Finding(0, "empty", "again")])
    judgement.add([Finding(1, "length_outlier", "long"), Finding(1, "length_outlier", "and many words")])
    assert judgement.counts() == {("quarantined", "empty"): 1, ("warned", "length_outlier"): 1}
    assert [one.row for one in judgement.told_of_left()] == [1, 1]


def test_what_is_an_error_is_refused_with_the_row(facts):
    judgement = judged(facts, undecodable="error", markup="error")
    line = (
        f"data/raw: row {'c' * 32}: broken (undecodable, 2 findings of severity error); mend it, or set"
        " clean.checks.undecodable: drop"
    )
    with pytest.raises(DataError, match=f"^{re.escape(line)}$"):
        refuse_errors(facts, judgement, "data/raw")
    refuse_errors(facts, judged(facts), "data/raw")


def test_remark_that_is_an_error_is_refused(facts):
    judgement = judged(facts, imbalance={"severity": "error", "max_ratio": 1.1})
    with pytest.raises(DataError, match=r"^data/raw: class 'a' has 4 rows, 'b' 3: .* \(imbalance\); add rows, or set"):
        refuse_errors(facts, judgement, "data/raw")
    refuse_errors(facts, judged(facts, imbalance={"max_ratio": 1.1}), "data/raw")
