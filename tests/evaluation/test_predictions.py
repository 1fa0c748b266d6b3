import shutil

import numpy as np
import pytest

from headrace.errors import DataError
from headrace.evaluation.predictions import answers
from headrace.paths import Paths
from headrace.storage import arrays
from headrace.storage.bundle import read_bundle


def test_answers_hold_every_row_and_can_be_asked_again(trained: Paths) -> None:
    found = answers(read_bundle(trained.trained_dir), trained.normalized_dir / "val")
    assert found.logits.shape == (200, 3)
    assert (found.predicted == found.logits.argmax(axis=1)).all()
    assert found.correct.mean() > 0.8
    assert np.allclose(found.predict(found.arrays.inputs[:7]), found.logits[:7], atol=1e-5)


def test_answers_on_no_rows_say_what_to_do(trained: Paths) -> None:
    folder = trained.normalized_dir / "val"
    shutil.rmtree(folder)
    arrays.create(folder, num_rows=0, input_shape=[16, 16, 1])
    with pytest.raises(DataError, match=r"holds no rows; .* split\.fractions"):
        answers(read_bundle(trained.trained_dir), folder)


def test_answers_of_a_model_that_says_nan_are_refused(trained: Paths) -> None:
    import onnx
    from onnx import numpy_helper

    path = trained.trained_dir / "model.onnx"
    graph = onnx.load(path)
    bias = next(weight for weight in graph.graph.initializer if weight.dims == [3])
    bias.CopyFrom(numpy_helper.from_array(np.full(3, np.nan, np.float32), bias.name))
    onnx.save(graph, path)
    with pytest.raises(DataError, match="answers with NaN"):
        answers(read_bundle(trained.trained_dir), trained.normalized_dir / "val")
