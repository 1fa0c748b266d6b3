"""Outliers by robust z-score of the logarithm."""

import numpy as np

from headrace.data.cleaning.outliers import find_outliers

OPTIONS = {"size_outlier": {"z": 8.0}, "length_outlier": {"z": 8.0}}


def find(row_index, is_accepted=None, options=OPTIONS):
    accepted = np.ones(row_index.num_rows, bool) if is_accepted is None else is_accepted
    return find_outliers(row_index, accepted, options)


def test_row_far_from_most_is_one_finding(make_row_index):
    sides = np.array([20.0] * 30 + [2000.0, 1.0], np.float32)
    row_index = make_row_index(["a"] * 32, measure__width=sides, measure__height=sides)
    findings = find(row_index)
    assert [(finding.row, finding.check) for finding in findings] == [(30, "size_outlier"), (31, "size_outlier")]
    assert findings[0].reason == "width 2000, where most have about 20"


def test_small_deviation_is_not_an_outlier_where_most_are_equal(make_row_index):
    row_index = make_row_index(["a"] * 31, measure__characters=np.array([100.0] * 30 + [140.0], np.float32))
    assert find(row_index) == []


def test_rejected_rows_and_unknown_measures_are_ignored(make_row_index):
    lengths = np.array([100.0] * 5 + [9000.0] * 20 + [np.nan], np.float32)
    row_index = make_row_index(["a"] * 26, measure__characters=lengths)
    is_accepted = np.arange(26) < 6  # one long row among five short ones
    assert [finding.row for finding in find(row_index, is_accepted)] == [5]
    assert find(row_index, np.arange(26) > 24) == []  # only NaN


def test_check_that_is_off_finds_nothing(make_row_index):
    row_index = make_row_index(["a"] * 9, measure__characters=np.array([100.0] * 8 + [9e6], np.float32))
    assert find(row_index, options={}) == []
    assert len(find(row_index, options={"length_outlier": {"z": 5.0}})) == 1
