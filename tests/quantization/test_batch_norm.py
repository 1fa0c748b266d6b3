"""Batch norms as convolutions: the same outputs, and nothing in float32 between quantized layers."""

from pathlib import Path

import numpy as np
import onnx
import torch

from headrace.quantization.batch_norm import convert_batch_norms
from headrace.quantization.candidates import CANDIDATES, make_candidate, prepare_graph
from headrace.quantization.onnx_export import export_graph
from headrace.storage.onnx_model import OnnxModel


class PreActivated(torch.nn.Module):
    """A convolution, and a block whose batch norm follows a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = (torch.nn.Conv2d(n, 8, 3, padding=1) for n in (3, 8, 8))
        self.norm = torch.nn.BatchNorm2d(8, eps=1e-3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = self.first(images.permute(0, 3, 1, 2) / 255)
        values = values + self.second(values)
        return self.last(torch.relu(self.norm(values))).mean((2, 3))


def export_network(path: Path) -> None:
    torch.manual_seed(0)
    network = PreActivated()
    with torch.no_grad():
        network.norm.running_mean.normal_()
        network.norm.running_var.uniform_(0.1, 2)
        network.norm.weight.uniform_(0.1, 2)
        network.norm.bias.normal_()
    export_graph(network, path, input_shape=[12, 12, 3])


def test_converted_graph_has_the_same_outputs(tmp_path: Path) -> None:
    export_network(tmp_path / "model.onnx")
    rows = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
    model = onnx.shape_inference.infer_shapes(onnx.load(tmp_path / "model.onnx"))
    assert convert_batch_norms(model) == 1
    assert convert_batch_norms(model) == 0
    onnx.save(model, tmp_path / "converted.onnx")
    expected, outputs = (OnnxModel(tmp_path / f"{name}.onnx", 1).predict(rows) for name in ("model", "converted"))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_static_candidate_computes_them_in_8_bits(tmp_path: Path) -> None:
    export_network(tmp_path / "model.onnx")
    rows = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
    prepare_graph(tmp_path / "model.onnx", tmp_path / "prepared.onnx")
    make_candidate(CANDIDATES["static_minmax"], tmp_path / "prepared.onnx", tmp_path / "int8.onnx", rows=rows)
    kinds = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
    assert "BatchNormalization" not in kinds
    assert kinds.count("Conv") == 4
    fp32, int8 = (OnnxModel(tmp_path / f"{name}.onnx", 1).predict(rows) for name in ("model", "int8"))
    assert 0 < np.square(int8 - fp32).mean() < 0.01 * fp32.var()
