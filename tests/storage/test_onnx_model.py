from pathlib import Path

import numpy as np
import pytest

from headrace.errors import DataError
from headrace.paths import Paths
from headrace.storage.bundle import GRAPH
from headrace.storage.onnx_model import ROWS_PER_RUN, OnnxModel


def test_predict_in_batches_equals_one_run(trained: Paths) -> None:
    model = OnnxModel(trained.trained_dir / GRAPH, num_threads=1)
    inputs = np.random.default_rng(0).integers(0, 256, (ROWS_PER_RUN + 3, 16, 16, 1), dtype=np.uint8)
    logits = model.predict(inputs)
    assert logits.shape == (ROWS_PER_RUN + 3, 3)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, model.run(inputs), rtol=1e-4, atol=1e-4)


def test_predict_of_a_strided_view_equals_that_of_a_copy(trained: Paths) -> None:
    model = OnnxModel(trained.trained_dir / GRAPH, num_threads=1)
    inputs = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 1), dtype=np.uint8)
    np.testing.assert_array_equal(model.predict(inputs[::2, ::-1]), model.predict(inputs[::2, ::-1].copy()))


def test_missing_graph_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.onnx: no such file; run the stages before this one: dvc repro$"):
        OnnxModel(tmp_path / "gone.onnx")


@pytest.mark.parametrize("content", [b"", b"not a graph", None])
def test_damaged_graph_raises_one_line(trained: Paths, content: bytes | None) -> None:
    path = trained.trained_dir / GRAPH
    path.write_bytes(path.read_bytes()[:900] if content is None else content)
    with pytest.raises(
        DataError, match=r"^.*model\.onnx: not a graph that ONNX Runtime can load \(.*; run: dvc repro"
    ) as e:
        OnnxModel(path)
    assert "\n" not in str(e.value)
