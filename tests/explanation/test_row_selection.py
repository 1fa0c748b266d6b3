from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import DataError
from headrace.explanation.row_selection import (
    pick_class_examples,
    pick_test_mistakes,
    pick_value_examples,
    sample_rows,
    scale_values,
    spread_rows,
)
from headrace.storage.arrays import Arrays

IDS = np.array([b"a", b"b", b"c"], "S32")
CONFIDENCE = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.95, 0.4])
CORRECT = np.array([True, False, True, False, True, True, False])


def test_class_examples_are_confident_mistakes_unsure_and_other_right_rows() -> None:
    groups = pick_class_examples(CONFIDENCE, CORRECT, num_examples=5, seed=0)
    assert groups["wrong"].tolist() == [1, 3]
    assert groups["unsure"].tolist() == [4, 2]
    assert len(groups["right"]) == 1
    assert groups["right"][0] in {0, 5}


def test_class_examples_of_a_model_that_is_never_wrong_or_never_right() -> None:
    never_wrong = pick_class_examples(CONFIDENCE, np.ones(7, bool), num_examples=30, seed=0)
    assert len(never_wrong["wrong"]) == 0
    rows = np.concatenate(list(never_wrong.values()))
    assert sorted(rows.tolist()) == list(range(7))
    never_right = pick_class_examples(CONFIDENCE, np.zeros(7, bool), num_examples=6, seed=0)
    assert [len(rows) for rows in never_right.values()] == [2, 0, 0]


def test_zero_examples_are_none() -> None:
    assert all(len(rows) == 0 for rows in pick_class_examples(CONFIDENCE, CORRECT, num_examples=0, seed=0).values())


def test_value_examples_are_largest_errors_extremes_and_others() -> None:
    values = np.array([5.0, 5.1, 4.9, 90.0, 5.2, 4.8, -60.0, 5.0])
    errors = np.array([0.1, -9.0, 0.2, 0.3, 8.0, 0.1, 0.2, 0.0])
    groups = pick_value_examples(values, errors, num_examples=7, seed=0)
    assert groups["furthest"].tolist() == [1, 4, 3]
    assert groups["extreme"].tolist() == [6, 5]
    assert set(groups["others"].tolist()) < {0, 2, 7}
    assert len(groups["others"]) == 2


def test_few_values_are_each_shown_once() -> None:
    groups = pick_value_examples(np.arange(4.0), np.ones(4), num_examples=30, seed=0)
    assert sorted(np.concatenate(list(groups.values())).tolist()) == [0, 1, 2, 3]


def test_values_of_several_targets_are_scaled_to_compare_them():
    targets = np.array([[1, 10], [2, 20], [3, 30]], np.float32)
    outputs = targets + np.array([[1, 0], [0, 5], [0.5, 0]], np.float32)
    scale = {"mean": [0.0, 20.0], "std": [0.5, 10.0]}
    values, errors, std = scale_values(Arrays(outputs, targets, IDS), outputs, np.array([0, 1, 0]), scale)
    assert values.tolist() == [4, 0.5, 7]
    assert errors.tolist() == [2, 0.5, 1]
    assert std.tolist() == [0.5, 10, 0.5]


def test_sample_is_sorted_and_bounded():
    assert sample_rows(5, 9, seed=0).tolist() == [0, 1, 2, 3, 4]
    some = sample_rows(1000, 20, seed=0)
    assert some.tolist() == sorted(set(some.tolist()))
    assert len(some) == 20
    assert spread_rows(10, 4).tolist() == [0, 3, 6, 9]
    assert spread_rows(2, 4).tolist() == [0, 1]


def write_predictions(path: Path, **columns: list) -> Path:
    pq.write_table(pa.table({"row_id": ["a", "b", "c"], **columns}), path)
    return path


TABLES = {
    "classification": ({"correct": [False, True, False], "confidence": [0.6, 0.9, 0.7]}, [2, 0]),
    "multilabel": ({"wrong_share": [0.0, 0.5, 0.25]}, [1, 2]),
    "regression": ({"error": [1.0, -3.0, 2.0]}, [1, 2, 0]),
}


@pytest.mark.parametrize("task", TABLES)
def test_test_mistakes_are_the_worst_first(task: str, tmp_path: Path):
    columns, expected = TABLES[task]
    path = write_predictions(tmp_path / "predictions.parquet", **columns)
    assert pick_test_mistakes(path, IDS, number=5).tolist() == expected
    assert pick_test_mistakes(path, IDS, number=1).tolist() == expected[:1]
    assert pick_test_mistakes(path, IDS, number=0).tolist() == []


def test_predictions_that_are_missing_damaged_or_of_other_rows_raise_with_the_remedy(tmp_path: Path):
    path = tmp_path / "predictions.parquet"
    with pytest.raises(DataError, match=r"no such file; run the stages before this one"):
        pick_test_mistakes(path, IDS, number=1)
    path.write_bytes(b"PAR1 not quite")
    with pytest.raises(DataError, match=r"not Parquet .*dvc repro --force test"):
        pick_test_mistakes(path, IDS, number=1)
    write_predictions(path, error=[1.0, 2.0, 3.0])
    with pytest.raises(DataError, match=r"other rows than .*dvc repro --force test"):
        pick_test_mistakes(path, IDS[::-1], number=1)
