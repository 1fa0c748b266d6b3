"""Outliers by robust z-score of the logarithm."""

import numpy as np

from headrace.data.cleaning.outliers import outliers

OPTIONS = {"size_outlier": {"z": 8.0}, "length_outlier": {"z": 8.0}}


def found(facts, is_left=None, options=OPTIONS):
    left = np.ones(facts.num_rows, bool) if is_left is None else is_left
    return outliers(facts, left, options)


def test_rows_far_from_most_are_told_once(make_facts):
    sides = np.array([20.0] * 30 + [2000.0, 1.0], np.float32)
    facts = make_facts(["a"] * 32, measure__width=sides, measure__height=sides)
    told = found(facts)
    assert [(one.row, one.check) for one in told] == [(30, "size_outlier"), (31, "size_outlier")]
    assert told[0].reason == "width 2000, where most have about 20"


def test_five_percent_more_is_no_outlier_where_most_are_alike(make_facts):
    facts = make_facts(["a"] * 31, measure__characters=np.array([100.0] * 30 + [140.0], np.float32))
    assert found(facts) == []


def test_rows_that_left_and_unknown_measures_count_for_nothing(make_facts):
    lengths = np.array([100.0] * 5 + [9000.0] * 20 + [np.nan], np.float32)
    facts = make_facts(["a"] * 26, measure__characters=lengths)
    is_left = np.arange(26) < 6  # one of the long ones among five that are short
    assert [one.row for one in found(facts, is_left)] == [5]
    assert found(facts, np.arange(26) > 24) == []  # nothing but NaN


def test_check_that_is_off_looks_at_nothing(make_facts):
    facts = make_facts(["a"] * 9, measure__characters=np.array([100.0] * 8 + [9e6], np.float32))
    assert found(facts, options={}) == []
    assert len(found(facts, options={"length_outlier": {"z": 5.0}})) == 1
