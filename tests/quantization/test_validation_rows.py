"""Quality of graphs on the validation rows."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from headrace.errors import DataError
from headrace.paths import Paths
from headrace.quantization.validation_rows import ValidationRows
from headrace.storage.bundle import read_bundle


@pytest.fixture
def val(trained: Paths) -> ValidationRows:
    return ValidationRows(read_bundle(trained.trained_dir), trained.normalized_dir / "val", {})


def test_loss_is_the_difference_of_the_mean_qualities(val: ValidationRows, trained: Paths) -> None:
    path = trained.trained_dir / "model.onnx"
    graph = onnx.load(path)
    for weight in graph.graph.initializer:
        if len(weight.dims) == 2:
            weight.CopyFrom(numpy_helper.from_array(np.array(-numpy_helper.to_array(weight)), weight.name))
    onnx.save(graph, trained.root / "worse.onnx")
    reference, worse = val.predict(path), val.predict(trained.root / "worse.onnx")
    assert reference is not None
    assert worse is not None
    right, wrong = (float((each.predicted == each.arrays.targets).mean()) for each in (reference, worse))
    assert val.measure_loss(worse, reference) == pytest.approx(right - wrong)
    assert val.measure_loss(reference, reference) == 0
    assert val.quality_by_row(worse).mean() == pytest.approx(wrong)
    assert val.measure_agreement(worse, reference) == (worse.predicted == reference.predicted).mean()


def test_graph_that_cannot_be_loaded_has_no_predictions(val: ValidationRows, trained: Paths) -> None:
    (trained.root / "damaged.onnx").write_bytes(b"nonsense")
    assert val.predict(trained.root / "damaged.onnx") is None
    reference = val.predict(trained.trained_dir / "model.onnx")
    assert reference is not None
    assert val.measure_loss(None, reference) == float("inf")
    (trained.trained_dir / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="not a graph that ONNX Runtime can load"):
        val.predict(trained.trained_dir / "model.onnx")
