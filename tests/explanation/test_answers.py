import numpy as np
import pytest

from headrace.contracts import Spec
from headrace.explanation.answers import said_of, values_of
from headrace.explanation.telling import Explained, predicted_groups
from headrace.storage.arrays import Arrays

IDS = np.array([b"a", b"b", b"c"], "S32")


def spec_of(task, **told):
    return Spec(modality="table", task=task, source="x", format="table", num_rows=3, **told)


def test_of_several_labels_the_surest_is_told_and_what_is_true_where_it_is_wrong():
    spec = spec_of("multilabel", classes=["comedy", "love", "war"])
    targets = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [0, 1, 0]], np.float32)
    outputs = np.array([[3, 0, 1], [2, 1, 1], [-3, -2, -1], [-1, -2, -3]], np.float32)
    arrays = Arrays(outputs, targets, np.array([b"a", b"b", b"c", b"d"], "S32"))
    said = said_of(spec, arrays, outputs, 1 / (1 + np.exp(-outputs.astype(float))))
    assert said.predicted.tolist() == ["comedy", "comedy", "no label", "no label"]
    assert said.targets.tolist() == ["comedy", "love, war", "no label", "love"]
    assert said.asked.tolist() == [0, 0, 2, 0]
    assert said.confidence.tolist() == pytest.approx([1 / (1 + np.exp(-z)) for z in (3, 2, 1, 1)])
    groups = predicted_groups(spec, said, Explained(np.array([0, 2]), outputs[[0, 2]], outputs[[0, 2]]))
    assert {name: rows.tolist() for name, rows in groups.items()} == {"comedy": [True, False]}


def test_several_values_are_told_in_turn():
    spec = spec_of("regression", targets=["p", "q"])
    targets = np.array([[1, 10], [2, 20], [3, 30]], np.float32)
    outputs = targets + np.array([[1, 0], [0, 5], [0.5, 0]], np.float32)
    arrays = Arrays(outputs, targets, IDS)
    said = said_of(spec, arrays, outputs, None)
    assert said.predicted.tolist() == ["p 2", "q 25", "p 3.5"]
    assert said.targets.tolist() == ["p 1", "q 20", "p 3"]
    values, errors, std = values_of(arrays, outputs, said.asked, {"mean": [0.0, 20.0], "std": [0.5, 10.0]})
    assert values.tolist() == [4, 0.5, 7]
    assert errors.tolist() == [2, 0.5, 1]
    assert std.tolist() == [0.5, 10, 0.5]
