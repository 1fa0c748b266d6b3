"""Sizes of classes, those that are too small, and how uneven they are."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from headrace.contracts import Finding
from headrace.data.cleaning.checks import Rule
from headrace.data.cleaning.class_sizes import by_check, imbalance, num_labels, rare, sizes
from headrace.errors import DataError

LABELS = ["b", "b", "b", "a", None, "b", "a"]


def judged(num_rows, faults=()):
    is_left = np.ones(num_rows, bool)
    is_left[list(faults)] = False
    return SimpleNamespace(is_left=is_left, faults={row: [Finding(row, "blank", "x")] for row in faults})


def test_sizes_are_by_name_of_all_or_of_those_left(make_facts):
    facts = make_facts(LABELS)
    assert list(sizes(facts).items()) == [("a", 2), ("b", 4)]
    assert sizes(facts, judged(7, [3, 6]).is_left) == {"a": 0, "b": 4}
    assert sizes(make_facts([None])) == {}


def test_rare_classes_leave(make_facts):
    facts = make_facts(LABELS)
    told = list(rare(facts, judged(7, [6]), Rule("drop", {"min_rows": 3}), "data/raw"))
    assert told == [Finding(3, "rare_class", "'a' has 1 usable rows; 3 are needed")]
    assert not list(rare(facts, judged(7), Rule("drop", {"min_rows": 2}), "data/raw"))


def test_rare_classes_that_are_errors_are_named_with_what_they_lost(make_facts):
    line = (
        "data/raw: class 'a' has 1 usable rows of 2 (1 rejected, 1 blank); clean.checks.rare_class.min_rows is 3;"
        " add rows, or set clean.checks: {rare_class: drop}"
    )
    with pytest.raises(DataError, match=f"^{re.escape(line)}$"):
        list(rare(make_facts(LABELS), judged(7, [6]), Rule("error", {"min_rows": 3}), "data/raw"))


def test_many_rare_classes_are_told_in_short(make_facts):
    with pytest.raises(DataError, match=r"class 'e' has 1 usable rows of 1 \(0 rejected\); \.\.\.; clean\.checks"):
        list(rare(make_facts(list("hgfedcba")), judged(8), Rule("error", {"min_rows": 2}), "data/raw"))


def test_by_check_counts_each_row_once():
    faults = [[Finding(0, "blank", "")], [Finding(1, "dark", ""), Finding(1, "blank", "")], [Finding(2, "blank", "")]]
    assert by_check(faults) == "3 rejected, 2 blank, 1 dark"


def test_imbalance_is_told_beyond_the_ratio(make_facts):
    facts = make_facts(["a"] * 9 + ["b"] * 3)
    assert imbalance(facts, np.ones(12, bool), {"max_ratio": 3}) == []
    told = imbalance(facts, np.ones(12, bool), {"max_ratio": 2})
    assert told == [("imbalance", "class 'a' has 9 rows, 'b' 3: 3.0 times as many")]
    assert imbalance(facts, np.zeros(12, bool), {"max_ratio": 2}) == []


SETS = ['["a", "b"]', '["a"]', '["a", "c"]', "[]", '["b"]', '["a"]', '["b", "c"]', '["a"]']


def test_rows_of_several_classes_count_for_each(make_facts):
    facts = make_facts(SETS, is_multilabel=True)
    assert sizes(facts) == {"a": 5, "b": 3, "c": 2}
    assert num_labels(facts, judged(8, [0, 3]).is_left) == 4


def test_rows_of_several_classes_leave_until_no_class_is_too_small(make_facts):
    facts = make_facts(SETS, is_multilabel=True)
    told = list(rare(facts, judged(8), Rule("drop", {"min_rows": 3}), "data/raw"))
    assert [(one.row, one.reason.split()[0]) for one in told] == [(2, "'c'"), (6, "'c'"), (0, "'b'"), (4, "'b'")]
    only_told = list(rare(facts, judged(8), Rule("warn", {"min_rows": 3}), "data/raw"))
    assert [one.row for one in only_told] == [2, 6]
