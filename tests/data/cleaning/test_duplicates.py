"""Duplicates: who stays, and what is said of rows whose labels disagree."""

import numpy as np
import pytest

from headrace.data.cleaning.checks import rules
from headrace.data.cleaning.duplicates import duplicates

KEYS = np.array([b"x", b"y", b"x", b"x", b"", b""], "S16")


def found(facts, is_left=None, modality="image", **settings):
    left = np.ones(facts.num_rows, bool) if is_left is None else np.array(is_left)
    return {(one.row, one.check) for one in duplicates(facts, left, rules(settings, modality))}


def test_the_smallest_id_stays_whatever_the_order(make_facts):
    facts = make_facts(["a"] * 6, keys=KEYS, row_ids=[b"c", b"d", b"b", b"a", b"e", b"f"])
    assert found(facts) == {(0, "duplicate"), (2, "duplicate")}
    reasons = [one.reason for one in duplicates(facts, np.ones(6, bool), rules({}, "image"))]
    assert reasons == ["same content as row a"] * 2


def test_the_row_of_the_official_test_stays(make_facts):
    facts = make_facts(["a"] * 6, keys=KEYS, ranks=[2, 2, 1, 0, 2, 2])
    assert found(facts) == {(0, "duplicate"), (2, "duplicate")}


def test_rows_that_left_are_not_compared(make_facts):
    facts = make_facts(["a"] * 6, keys=KEYS)
    assert found(facts, [False, True, True, True, True, True]) == {(3, "duplicate")}
    assert found(facts, [False] * 6) == set()


def test_rows_whose_labels_disagree_all_leave(make_facts):
    facts = make_facts(["a", "a", "b", "a", "a", "a"], keys=KEYS)
    assert found(facts) == {(0, "conflicting_labels"), (2, "conflicting_labels"), (3, "conflicting_labels")}
    reasons = {one.reason for one in duplicates(facts, np.ones(6, bool), rules({}, "image"))}
    assert reasons == {"same content under ['a', 'b']"}


@pytest.mark.parametrize("severity", ["warn", "error"])
def test_where_rows_whose_labels_disagree_stay_each_label_keeps_one(make_facts, severity):
    facts = make_facts(["a", "a", "b", "a", "a", "a"], keys=KEYS)
    told = {(row, "conflicting_labels") for row in (0, 2, 3)}
    assert found(facts, conflicting_labels=severity) == told | {(3, "duplicate")}


def test_checks_that_are_off_find_nothing(make_facts):
    facts = make_facts(["a", "a", "b", "a", "a", "a"], keys=KEYS)
    assert found(facts, conflicting_labels="off") == {(3, "duplicate")}
    assert found(facts, duplicate="off", conflicting_labels="off") == set()
    assert found(make_facts(["a"] * 6, keys=KEYS), duplicate="off") == set()


def test_many_labels_are_told_in_short(make_facts):
    facts = make_facts(list("gfedcba"), keys=np.array([b"x"] * 7, "S16"))
    (reason,) = {one.reason for one in duplicates(facts, np.ones(7, bool), rules({}, "image"))}
    assert reason == "same content under ['a', 'b', 'c', 'd', 'e'] and 2 more"


def test_no_rows_are_no_duplicates(make_facts):
    assert found(make_facts([], keys=np.empty(0, "S16"))) == set()
