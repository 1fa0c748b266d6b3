import numpy as np
import pytest

from headrace.contracts import Spec
from headrace.explanation.examples import (
    ExplainedRows,
    collect_answers,
    group_by_prediction,
    pick_class_examples,
    pick_value_examples,
    scale_values,
)
from headrace.storage.arrays import Arrays

IDS = np.array([b"a", b"b", b"c"], "S32")


def spec_of(task, **fields):
    return Spec(modality="table", task=task, source="x", format="table", num_rows=3, **fields)


def test_multilabel_answer_is_the_most_confident_label_with_the_truth_where_it_is_wrong():
    spec = spec_of("multilabel", classes=["comedy", "love", "war"])
    targets = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [0, 1, 0]], np.float32)
    outputs = np.array([[3, 0, 1], [2, 1, 1], [-3, -2, -1], [-1, -2, -3]], np.float32)
    arrays = Arrays(outputs, targets, np.array([b"a", b"b", b"c", b"d"], "S32"))
    answers = collect_answers(spec, arrays, outputs, 1 / (1 + np.exp(-outputs.astype(float))))
    assert answers.predicted.tolist() == ["comedy", "comedy", "no label", "no label"]
    assert answers.targets.tolist() == ["comedy", "love, war", "no label", "love"]
    assert answers.outputs.tolist() == [0, 0, 2, 0]
    assert answers.confidence.tolist() == pytest.approx([1 / (1 + np.exp(-z)) for z in (3, 2, 1, 1)])
    groups = group_by_prediction(spec, answers, ExplainedRows(np.array([0, 2]), outputs[[0, 2]], outputs[[0, 2]]))
    assert {name: rows.tolist() for name, rows in groups.items()} == {"comedy": [True, False]}


def test_several_targets_are_explained_in_turn():
    spec = spec_of("regression", targets=["p", "q"])
    targets = np.array([[1, 10], [2, 20], [3, 30]], np.float32)
    outputs = targets + np.array([[1, 0], [0, 5], [0.5, 0]], np.float32)
    arrays = Arrays(outputs, targets, IDS)
    answers = collect_answers(spec, arrays, outputs, None)
    assert answers.predicted.tolist() == ["p 2", "q 25", "p 3.5"]
    assert answers.targets.tolist() == ["p 1", "q 20", "p 3"]
    values, errors, std = scale_values(arrays, outputs, answers.outputs, {"mean": [0.0, 20.0], "std": [0.5, 10.0]})
    assert values.tolist() == [4, 0.5, 7]
    assert errors.tolist() == [2, 0.5, 1]
    assert std.tolist() == [0.5, 10, 0.5]


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
