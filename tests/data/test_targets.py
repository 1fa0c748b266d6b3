import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Spec
from headrace.data.targets import class_rows, target_scale, target_shape, targets_of


class Listed:
    """Rows of some batches."""

    def __init__(self, *batches):
        self.batches = [pa.record_batch({"label": labels}) for labels in batches]

    def map(self, work):
        return (work(batch) for batch in self.batches)


def spec_of(task, **told):
    return Spec(modality="table", task=task, source="x", format="table", num_rows=9, **told)


def test_labels_become_zeros_and_ones_in_the_order_of_the_classes():
    spec = spec_of("multilabel", classes=["a", "b", "c"])
    found = targets_of(['["a", "c"]', "[]", '["b"]'], spec)
    assert (found.dtype, found.tolist()) == (np.float32, [[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    assert target_shape(spec) == (3,)
    assert class_rows(found, spec) == {"num_rows": 3, "rows": {"a": 1, "b": 1, "c": 1}}


def test_classes_become_indices():
    spec = spec_of("classification", classes=["a", "b"])
    found = targets_of(["b", "a", "b"], spec)
    assert (found.dtype, found.tolist(), target_shape(spec)) == (np.int64, [1, 0, 1], ())
    assert class_rows(found, spec) == {"num_rows": 3, "rows": {"a": 1, "b": 2}}


def test_several_values_stand_side_by_side_and_have_a_scale_each():
    spec = spec_of("regression", targets=["p", "q"])
    labels = ['["1", "100"]', '["2", "300"]', '["6", "200"]']
    found = targets_of(labels, spec)
    assert (found.dtype, found.tolist()) == (np.float32, [[1, 100], [2, 300], [6, 200]])
    scale = target_scale(Listed(labels[:1], labels[1:]), spec)
    assert scale["mean"] == pytest.approx(found.mean(axis=0).tolist())
    assert scale["std"] == pytest.approx(found.std(axis=0).tolist())
    assert targets_of([], spec).shape == (0, 2)


def test_one_value_has_a_plain_scale():
    spec = spec_of("regression", target="p")
    assert targets_of(["1.5", "2"], spec).tolist() == [1.5, 2.0]
    assert target_scale(Listed(["1"], ["3"]), spec) == {"mean": 2.0, "std": 1.0}
