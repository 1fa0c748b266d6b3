import shutil

import numpy as np
import pytest

from headrace.errors import DataError
from headrace.evaluation.predictions import predict_split
from headrace.paths import Paths
from headrace.storage import arrays
from headrace.storage.bundle import read_bundle


def test_predict_split_predicts_every_row(trained: Paths) -> None:
    predictions = predict_split(read_bundle(trained.trained_dir), trained.normalized_dir / "val")
    assert predictions.logits.shape == (200, 3)
    assert (predictions.predicted == predictions.logits.argmax(axis=1)).all()
    assert predictions.correct.mean() > 0.8
    assert np.allclose(predictions.predict(predictions.arrays.inputs[:7]), predictions.logits[:7], atol=1e-5)


def test_predict_split_without_rows_raises(trained: Paths) -> None:
    folder = trained.normalized_dir / "val"
    shutil.rmtree(folder)
    arrays.create_arrays(folder, num_rows=0, input_shape=[16, 16, 1])
    with pytest.raises(DataError, match=r"no rows; .* split\.fractions"):
        predict_split(read_bundle(trained.trained_dir), folder)


def test_predict_split_with_nan_outputs_raises(trained: Paths) -> None:
    import onnx
    from onnx import numpy_helper

    path = trained.trained_dir / "model.onnx"
    graph = onnx.load(path)
    bias = next(weight for weight in graph.graph.initializer if weight.dims == [3])
    bias.CopyFrom(numpy_helper.from_array(np.full(3, np.nan, np.float32), bias.name))
    onnx.save(graph, path)
    with pytest.raises(DataError, match="the model outputs NaN"):
        predict_split(read_bundle(trained.trained_dir), trained.normalized_dir / "val")
