"""Weights in 8 bits: a quarter of the file, and the answers of a float32 graph."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from headrace.contracts import Spec
from headrace.quantization.batch_independence import measure_batch_difference
from headrace.quantization.onnx_export import export_graph
from headrace.quantization.weight_only import find_weight_nodes, quantize_weights
from headrace.storage.onnx_model import OnnxModel


def make_network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(20, 128), torch.nn.ReLU(), torch.nn.Linear(128, 128), torch.nn.ReLU(), torch.nn.Linear(128, 3)
    )


@pytest.fixture
def graph_path(tmp_path: Path) -> Path:
    export_graph(make_network(), tmp_path / "model.onnx", input_shape=[20], modality="table")
    return tmp_path / "model.onnx"


def test_file_is_about_a_quarter_and_outputs_are_nearly_the_same(graph_path: Path, tmp_path: Path) -> None:
    quantize_weights(graph_path, tmp_path / "int8.onnx")
    assert (tmp_path / "int8.onnx").stat().st_size < 0.35 * graph_path.stat().st_size
    rows = np.random.default_rng(0).normal(size=(64, 20)).astype(np.float32)
    fp32, int8 = (OnnxModel(path).predict(rows) for path in (graph_path, tmp_path / "int8.onnx"))
    assert 0 < np.abs(int8 - fp32).max() < 0.02 * np.ptp(fp32)


def test_weights_differ_by_at_most_half_a_step_of_their_channel(graph_path: Path, tmp_path: Path) -> None:
    quantize_weights(graph_path, tmp_path / "int8.onnx")
    before = {t.name: numpy_helper.to_array(t) for t in onnx.load(graph_path).graph.initializer}
    after = {t.name: numpy_helper.to_array(t) for t in onnx.load(tmp_path / "int8.onnx").graph.initializer}
    names = [name.removesuffix("_int8") for name in after if name.endswith("_int8")]
    assert len(names) == 3
    for name in names:
        scale = after[f"{name}_scale"]
        assert scale.size in before[name].shape
        assert np.abs(after[f"{name}_int8"] * scale - before[name]).max() <= 0.5001 * scale.max()


def test_row_is_answered_alike_alone_and_beside_any_others(graph_path: Path, tmp_path: Path) -> None:
    quantize_weights(graph_path, tmp_path / "int8.onnx")
    rows = np.random.default_rng(0).normal(size=(300, 20)).astype(np.float32)
    spec = Spec(modality="table", task="classification", source="x", format="table", num_rows=300, input_shape=[20])
    transform = {"inputs": [{"kind": "numeric"}] * 20}
    assert measure_batch_difference(OnnxModel(tmp_path / "int8.onnx"), rows, spec, transform) < 1e-5


@pytest.mark.parametrize(("op_type", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_weights_have_a_scale_for_each_row_and_direction(op_type: str, gates: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {
        "W": rng.normal(0, 0.1, (2, gates * 16, 24)).astype(np.float32),
        "R": rng.normal(0, 0.1, (2, gates * 16, 16)).astype(np.float32),
    }
    node = helper.make_node(op_type, ["x", "W", "R"], ["y"], hidden_size=16, direction="bidirectional", name="rnn")
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", float32, [None, None, 24])],
        [helper.make_tensor_value_info("y", float32, [None, 2, None, 16])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "a.onnx")
    quantize_weights(tmp_path / "a.onnx", tmp_path / "b.onnx")
    stored = {t.name: list(t.dims) for t in onnx.load(tmp_path / "b.onnx").graph.initializer}
    assert stored["W_scale"] == stored["R_scale"] == [2, gates * 16, 1]
    inputs = rng.normal(size=(5, 2, 24)).astype(np.float32)
    fp32, int8 = (OnnxModel(tmp_path / name).run(inputs) for name in ("a.onnx", "b.onnx"))
    assert 0 < np.abs(int8 - fp32).max() < 0.05


def test_graph_without_large_weights_is_unchanged(tmp_path: Path) -> None:
    export_graph(torch.nn.Linear(4, 2), tmp_path / "small.onnx", input_shape=[4], modality="table")
    assert quantize_weights(tmp_path / "small.onnx", tmp_path / "int8.onnx") == 0
    assert find_weight_nodes(tmp_path / "small.onnx") == {}
    assert onnx.load(tmp_path / "int8.onnx") == onnx.load(tmp_path / "small.onnx")


def test_excluded_nodes_keep_their_weights(graph_path: Path, tmp_path: Path) -> None:
    nodes = find_weight_nodes(graph_path)
    assert list(nodes.values()) == ["Gemm"] * 3
    assert quantize_weights(graph_path, tmp_path / "int8.onnx", exclude=list(nodes)[:1]) == 2
    stored = [len(t.dims) for t in onnx.load(tmp_path / "int8.onnx").graph.initializer if t.data_type == 1]
    assert stored.count(2) == 1 + 2, "a weight, and the scales of the two others"
