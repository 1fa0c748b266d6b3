"""Duplicates: which row stays, and rows whose labels disagree."""

import numpy as np
import pytest

from headrace.data.cleaning.checks import resolve_rules
from headrace.data.cleaning.duplicates import are_categories, describe_repeats, find_duplicates

KEYS = np.array([b"x", b"y", b"x", b"x", b"", b""], "S16")


def find(row_index, is_accepted=None, modality="image", **settings):
    accepted = np.ones(row_index.num_rows, bool) if is_accepted is None else np.array(is_accepted)
    return {
        (finding.row, finding.check)
        for finding in find_duplicates(row_index, accepted, resolve_rules(settings, modality))
    }


def test_row_of_the_smallest_id_stays(make_row_index):
    row_index = make_row_index(["a"] * 6, keys=KEYS, row_ids=[b"c", b"d", b"b", b"a", b"e", b"f"])
    assert find(row_index) == {(0, "duplicate"), (2, "duplicate")}
    reasons = [finding.reason for finding in find_duplicates(row_index, np.ones(6, bool), resolve_rules({}, "image"))]
    assert reasons == ["same content as rows.csv:5"] * 2


def test_row_of_the_official_test_split_stays(make_row_index):
    row_index = make_row_index(["a"] * 6, keys=KEYS, ranks=[2, 2, 1, 0, 2, 2])
    assert find(row_index) == {(0, "duplicate"), (2, "duplicate")}


def test_rejected_rows_are_not_compared(make_row_index):
    row_index = make_row_index(["a"] * 6, keys=KEYS)
    assert find(row_index, [False, True, True, True, True, True]) == {(3, "duplicate")}
    assert find(row_index, [False] * 6) == set()


def test_rows_whose_labels_disagree_are_all_rejected(make_row_index):
    row_index = make_row_index(["a", "a", "b", "a", "a", "a"], keys=KEYS)
    assert find(row_index) == {(0, "conflicting_labels"), (2, "conflicting_labels"), (3, "conflicting_labels")}
    reasons = {finding.reason for finding in find_duplicates(row_index, np.ones(6, bool), resolve_rules({}, "image"))}
    assert reasons == {"same content under ['a', 'b']"}


@pytest.mark.parametrize("severity", ["warn", "error"])
def test_first_row_of_each_label_stays_where_conflicting_rows_stay(make_row_index, severity):
    row_index = make_row_index(["a", "a", "b", "a", "a", "a"], keys=KEYS)
    conflicts = {(row, "conflicting_labels") for row in (0, 2, 3)}
    assert find(row_index, conflicting_labels=severity) == conflicts | {(3, "duplicate")}


def test_checks_that_are_off_find_nothing(make_row_index):
    row_index = make_row_index(["a", "a", "b", "a", "a", "a"], keys=KEYS)
    assert find(row_index, conflicting_labels="off") == {(3, "duplicate")}
    assert find(row_index, duplicate="off", conflicting_labels="off") == set()
    assert find(make_row_index(["a"] * 6, keys=KEYS), duplicate="off") == set()


def test_reason_names_the_first_of_many_labels(make_row_index):
    row_index = make_row_index(list("gfedcba"), keys=np.array([b"x"] * 7, "S16"))
    (reason,) = {finding.reason for finding in find_duplicates(row_index, np.ones(7, bool), resolve_rules({}, "image"))}
    assert reason == "same content under ['a', 'b', 'c', 'd', 'e'] and 2 more"


def test_no_rows_have_no_duplicates(make_row_index):
    assert find(make_row_index([], keys=np.empty(0, "S16"))) == set()


@pytest.mark.parametrize(
    ("groups", "num_rows", "fate", "is_warning"),
    [
        ([[0, 1]], 100, "equal rows are put into the same split", False),
        ([[0, 1, 2], [5, 6]], 100, "equal rows are put into the same split", True),
        ([[0, 1, 2], [3, 4, 5]], 8, "equal ones may be in different splits", True),
    ],
)
def test_equal_rows_that_stay_are_described(groups, num_rows, fate, is_warning):
    assumption = describe_repeats(groups, num_rows, resolve_rules({}, "table")["duplicate"])
    num_extra = sum(map(len, groups)) - len(groups)
    assert assumption.text.startswith(f"{num_extra} of {num_rows} rows repeat another and stay")
    assert assumption.text.endswith(fate)
    assert assumption.is_warning == is_warning
    assert are_categories(groups, num_rows) == fate.startswith("equal ones")


def test_equal_rows_that_are_dropped_or_absent_are_not_described():
    assert describe_repeats([[0, 1]], 9, resolve_rules({"duplicate": "drop"}, "table")["duplicate"]) is None
    assert describe_repeats([], 9, resolve_rules({}, "table")["duplicate"]) is None
