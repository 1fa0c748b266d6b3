"""Class sizes, classes that are too small, and imbalance."""

import re

import numpy as np
import pytest

from headrace.contracts import Finding
from headrace.data.cleaning.checks import Rule
from headrace.data.cleaning.class_sizes import (
    count_distinct_labels,
    count_rows_by_class,
    find_imbalance,
    find_rare_classes,
    map_classes_to_codes,
    summarize_rejections,
)
from headrace.errors import DataError

LABELS = ["b", "b", "b", "a", None, "b", "a"]
SETS = ['["a", "b"]', '["a"]', '["a", "c"]', "[]", '["b"]', '["a"]', '["b", "c"]', '["a"]']


def all_but(num_rows, rejected=()):
    is_accepted = np.ones(num_rows, bool)
    is_accepted[list(rejected)] = False
    return is_accepted


def find_rare(row_index, rejected=(), *, severity="drop", min_rows):
    rejections = {row: [Finding(row, "blank", "x")] for row in rejected}
    rule = Rule(severity, {"min_rows": min_rows})
    is_accepted = all_but(row_index.num_rows, rejected)
    return list(find_rare_classes(row_index, is_accepted, rejections, rule=rule, where="data/raw"))


def test_rows_are_counted_by_class_name(make_row_index):
    row_index = make_row_index(LABELS)
    assert list(count_rows_by_class(row_index).items()) == [("a", 2), ("b", 4)]
    assert count_rows_by_class(row_index, all_but(7, [3, 6])) == {"a": 0, "b": 4}
    assert count_rows_by_class(make_row_index([None])) == {}


def test_rows_of_rare_classes_are_findings(make_row_index):
    row_index = make_row_index(LABELS)
    assert find_rare(row_index, [6], min_rows=3) == [Finding(3, "rare_class", "'a' has 1 usable rows; 3 are needed")]
    assert find_rare(row_index, min_rows=2) == []


def test_rare_class_of_severity_error_raises_with_its_rejections(make_row_index):
    line = (
        "data/raw: class 'a' has 1 usable rows of 2 (1 rejected, 1 blank); clean.checks.rare_class.min_rows is 3;"
        " add rows, or set clean.checks: {rare_class: drop}"
    )
    with pytest.raises(DataError, match=f"^{re.escape(line)}$"):
        find_rare(make_row_index(LABELS), [6], severity="error", min_rows=3)


def test_error_names_the_first_of_many_rare_classes(make_row_index):
    with pytest.raises(DataError, match=r"class 'e' has 1 usable rows of 1 \(0 rejected\); \.\.\.; clean\.checks"):
        find_rare(make_row_index(list("hgfedcba")), severity="error", min_rows=2)


def test_summary_of_rejections_counts_each_row_once():
    rejections = [
        [Finding(0, "blank", "")], [Finding(1, "dark", ""), Finding(1, "blank", "")], [Finding(2, "blank", "")],
    ]  # fmt: skip
    assert summarize_rejections(rejections) == "3 rejected, 2 blank, 1 dark"


def test_imbalance_is_a_remark_above_the_ratio(make_row_index):
    row_index = make_row_index(["a"] * 9 + ["b"] * 3)
    assert find_imbalance(row_index, np.ones(12, bool), {"max_ratio": 3}) == []
    remarks = find_imbalance(row_index, np.ones(12, bool), {"max_ratio": 2})
    assert remarks == [("imbalance", "class 'a' has 9 rows, 'b' 3: 3.0 times as many")]
    assert find_imbalance(row_index, np.zeros(12, bool), {"max_ratio": 2}) == []


def test_multilabel_rows_count_for_each_of_their_classes(make_row_index):
    row_index = make_row_index(SETS, is_multilabel=True)
    assert map_classes_to_codes(row_index) == {"a": [0, 1, 2], "b": [0, 4, 5], "c": [2, 5]}
    assert count_rows_by_class(row_index) == {"a": 5, "b": 3, "c": 2}
    assert count_distinct_labels(row_index, all_but(8, [0, 3])) == 4


def test_dropped_multilabel_rows_can_make_another_class_rare(make_row_index):
    row_index = make_row_index(SETS, is_multilabel=True)
    dropped = find_rare(row_index, min_rows=3)
    assert [(finding.row, finding.reason.split()[0]) for finding in dropped] == [
        (2, "'c'"), (6, "'c'"), (0, "'b'"), (4, "'b'"),
    ]  # fmt: skip
    assert [finding.row for finding in find_rare(row_index, severity="warn", min_rows=3)] == [2, 6]
