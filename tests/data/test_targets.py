import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Spec
from headrace.data.targets import count_class_rows, encode_targets, fit_target_scale, target_shape


class Listed:
    """Rows of several batches."""

    def __init__(self, *batches):
        self.batches = [pa.record_batch({"label": labels}) for labels in batches]

    def map(self, work):
        return (work(batch) for batch in self.batches)


def spec_of(task, **fields):
    return Spec(modality="table", task=task, source="x", format="table", num_rows=9, **fields)


def test_encode_targets_of_multilabel():
    spec = spec_of("multilabel", classes=["a", "b", "c"])
    targets = encode_targets(['["a", "c"]', "[]", '["b"]'], spec)
    assert (targets.dtype, targets.tolist()) == (np.float32, [[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    assert target_shape(spec) == (3,)
    assert count_class_rows(targets, spec) == {"num_rows": 3, "rows": {"a": 1, "b": 1, "c": 1}}


def test_encode_targets_of_classification():
    spec = spec_of("classification", classes=["a", "b"])
    targets = encode_targets(["b", "a", "b"], spec)
    assert (targets.dtype, targets.tolist(), target_shape(spec)) == (np.int64, [1, 0, 1], ())
    assert count_class_rows(targets, spec) == {"num_rows": 3, "rows": {"a": 1, "b": 2}}


def test_encode_targets_and_scale_of_several_values():
    spec = spec_of("regression", targets=["p", "q"])
    labels = ['["1", "100"]', '["2", "300"]', '["6", "200"]']
    targets = encode_targets(labels, spec)
    assert (targets.dtype, targets.tolist()) == (np.float32, [[1, 100], [2, 300], [6, 200]])
    scale = fit_target_scale(Listed(labels[:1], labels[1:]), spec)
    assert scale["mean"] == pytest.approx(targets.mean(axis=0).tolist())
    assert scale["std"] == pytest.approx(targets.std(axis=0).tolist())
    assert encode_targets([], spec).shape == (0, 2)


def test_encode_targets_and_scale_of_one_value():
    spec = spec_of("regression", target="p")
    assert encode_targets(["1.5", "2"], spec).tolist() == [1.5, 2.0]
    assert fit_target_scale(Listed(["1"], ["3"]), spec) == {"mean": 2.0, "std": 1.0}
