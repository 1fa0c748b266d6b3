import logging

import numpy as np
import pytest

from headrace.data.splitting.metrics import compute_split_metrics, warn_about_missing_classes
from headrace.errors import DataError
from tests.data.splitting.conftest import clean_rows


def test_metrics_count_used_rows_and_compare_fractions():
    rows = clean_rows(["a"] * 8, clusters=[(None, [0, 1, 2])])
    metrics = compute_split_metrics(rows, np.array([0, 0, 0, 3, 1, 1, 2, 3]))
    assert metrics == {"train": 3, "val": 2, "test": 1, "clustered_rows": 3, "largest_share_difference": 0}


def test_largest_share_difference_is_of_the_worst_class_in_the_worst_split():
    rows = clean_rows(["a", "b"] * 4)
    assigned = np.where(rows.codes == 0, 0, 1)
    assigned[np.flatnonzero(rows.codes == 1)[0]] = 2
    assert compute_split_metrics(rows, assigned)["largest_share_difference"] == 0.5


@pytest.mark.parametrize(("missing", "present"), [("train", [1, 2]), ("val", [0, 2]), ("test", [0, 1, 3])])
def test_split_without_rows_raises(missing, present):
    rows = clean_rows(["a"] * 9)
    with pytest.raises(DataError, match=f"data/clean: 9 rows leave none for '{missing}'; give more rows or groups, or"):
        compute_split_metrics(rows, np.resize(present, 9))


def test_split_without_groups_raises():
    rows = clean_rows(["a"] * 9, clusters=[("x", range(5)), ("y", range(5, 9))])
    with pytest.raises(DataError, match="9 rows in 2 groups leave none for 'test'"):
        compute_split_metrics(rows, rows.groups.group_of_row.astype(np.int8))


def test_missing_classes_are_logged(caplog: pytest.LogCaptureFixture):
    rows = clean_rows([f"class{number}" for number in range(8)])
    with caplog.at_level(logging.WARNING):
        warn_about_missing_classes(rows, np.where(rows.codes < 2, rows.codes, 2))
    assert caplog.messages[0].startswith("split 'train' has no row of 7 of 8 classes: 'class1', 'class2', 'class3', ")
    assert caplog.messages[0].endswith(", ...")
    assert caplog.messages[2] == "split 'test' has no row of 2 of 8 classes: 'class0', 'class1'"
