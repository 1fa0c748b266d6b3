import numpy as np
import pytest

from headrace.contracts import Spec
from headrace.explanation.examples import (
    collect_answers,
    group_by_prediction,
    join_maps,
    name_target,
)
from headrace.storage.arrays import Arrays

IDS = np.array([b"a", b"b", b"c"], "S32")


def spec_of(task, **fields):
    return Spec(modality="table", task=task, source="x", format="table", num_rows=3, **fields)


def test_multilabel_answer_is_all_labels_and_explains_the_most_probable_one():
    spec = spec_of("multilabel", classes=["comedy", "love", "war"])
    targets = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [0, 1, 0]], np.float32)
    outputs = np.array([[3, -1, 1], [2, 1, 1], [-3, -2, -1], [-1, -2, -3]], np.float32)
    arrays = Arrays(outputs, targets, np.array([b"a", b"b", b"c", b"d"], "S32"))
    answers = collect_answers(spec, arrays, outputs, 1 / (1 + np.exp(-outputs.astype(float))))
    assert answers.predicted.tolist() == ["comedy, war", "comedy, love, war", "no label", "no label"]
    assert answers.targets.tolist() == ["comedy, war", "love, war", "no label", "love"]
    assert answers.is_right.tolist() == [True, False, True, False]
    assert answers.outputs.tolist() == [0, 0, 2, 0]
    assert answers.confidence.tolist() == pytest.approx([1 / (1 + np.exp(-z)) for z in (3, 2, -1, -1)])
    groups = group_by_prediction(spec, answers, np.array([0, 2]))
    assert {name: rows.tolist() for name, rows in groups.items()} == {"comedy": [True, False]}
    assert [name_target(spec, target) for target in targets] == answers.targets.tolist()


def test_several_targets_are_explained_in_turn():
    spec = spec_of("regression", targets=["p", "q"])
    targets = np.array([[1, 10], [2, 20], [3, 30]], np.float32)
    outputs = targets + np.array([[1, 0], [0, 5], [0.5, 0]], np.float32)
    arrays = Arrays(outputs, targets, IDS)
    answers = collect_answers(spec, arrays, outputs, None)
    assert answers.predicted.tolist() == ["p 2", "q 25", "p 3.5"]
    assert answers.targets.tolist() == ["p 1", "q 20", "p 3"]
    assert name_target(spec, targets[1]) == "p 2, q 20"


def test_classes_and_single_values_are_named():
    assert name_target(spec_of("classification", classes=["cat", "dog"]), np.int64(1)) == "dog"
    assert name_target(spec_of("regression", target="p"), np.float32(2.5)) == 2.5


def test_joined_maps_are_padded_to_the_longest():
    joined = join_maps([np.ones((2, 3), np.float32), np.full((1, 2), 2, np.float32)])
    assert joined.tolist() == [[1, 1, 1], [1, 1, 1], [2, 2, 0]]
