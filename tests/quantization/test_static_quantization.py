"""Static quantization: ranges of three kinds, what is quantized, and what stays in float32."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from headrace.contracts import Spec
from headrace.models.network import build_network
from headrace.quantization.candidates import prepare_graph
from headrace.quantization.onnx_export import export_graph
from headrace.quantization.static_quantization import (
    METHODS,
    Calibration,
    discard_ranges,
    find_quantized_nodes,
    quantize_activations,
)
from headrace.storage.onnx_model import OnnxModel

WIDTH = 20


@pytest.fixture(scope="module")
def dense_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    layers = (
        torch.nn.Linear(WIDTH, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 3),
    )
    folder = tmp_path_factory.mktemp("dense")
    export_graph(torch.nn.Sequential(*layers), folder / "model.onnx", input_shape=[WIDTH], modality="table")
    return folder / "model.onnx"


@pytest.fixture
def prepared_path(dense_path: Path, tmp_path: Path) -> Path:
    prepare_graph(dense_path, tmp_path / "prepared.onnx")
    return tmp_path / "prepared.onnx"


def make_rows(num_rows: int = 75) -> NDArray[np.float32]:
    """The last run of the calibration is shorter than the others; a few values are far from all others."""
    rows = np.random.default_rng(0).normal(size=(num_rows, WIDTH)).astype(np.float32)
    rows[3, 0] = 40
    return rows


@pytest.mark.parametrize("calibration", METHODS)
def test_graph_nearly_agrees_for_every_calibration(
    calibration: Calibration, prepared_path: Path, tmp_path: Path
) -> None:
    rows = make_rows()
    quantize_activations(prepared_path, tmp_path / "int8.onnx", rows=rows, calibration=calibration)
    fp32, int8 = (OnnxModel(path, 1).predict(rows[10:]) for path in (prepared_path, tmp_path / "int8.onnx"))
    assert 0 < np.square(int8 - fp32).mean() < 0.01 * fp32.var()


def test_entropy_cuts_the_tails_that_minmax_keeps(prepared_path: Path, tmp_path: Path) -> None:
    from onnxruntime.quantization.calibrate import load_tensors_data

    widths = {}
    for calibration in ("minmax", "entropy"):
        quantize_activations(prepared_path, tmp_path / "int8.onnx", rows=make_rows(), calibration=calibration)  # type: ignore[arg-type]
        low, high = load_tensors_data(prepared_path.with_suffix(f".{calibration}.json"))["input"].range_value
        widths[calibration] = np.ptp([low, high])
    assert widths["entropy"] < 0.5 * widths["minmax"]


def test_ranges_are_calibrated_once(prepared_path: Path, tmp_path: Path) -> None:
    quantize_activations(prepared_path, tmp_path / "a.onnx", rows=make_rows(), calibration="minmax")
    quantize_activations(prepared_path, tmp_path / "b.onnx", rows=make_rows() * 100, calibration="minmax")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    discard_ranges(prepared_path)
    quantize_activations(prepared_path, tmp_path / "c.onnx", rows=make_rows() * 100, calibration="minmax")
    assert (tmp_path / "a.onnx").read_bytes() != (tmp_path / "c.onnx").read_bytes()


def test_excluded_nodes_stay_in_float32(prepared_path: Path, tmp_path: Path) -> None:
    nodes = find_quantized_nodes(prepared_path, make_rows())
    assert list(nodes.values()) == ["Gemm", "Relu", "Gemm", "Relu", "Gemm"]
    quantize_activations(
        prepared_path, tmp_path / "int8.onnx", rows=make_rows(), calibration="minmax", exclude=list(nodes)[1:]
    )
    types = [
        tensor.data_type for tensor in onnx.load(tmp_path / "int8.onnx").graph.initializer if len(tensor.dims) == 2
    ]
    assert sorted(types) == sorted([onnx.TensorProto.INT8, onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT])
    quantize_activations(prepared_path, tmp_path / "none.onnx", rows=make_rows(), calibration="minmax", exclude=nodes)
    fp32, none = (OnnxModel(path, 1).predict(make_rows()) for path in (prepared_path, tmp_path / "none.onnx"))
    assert np.array_equal(fp32, none)


@pytest.mark.slow
def test_group_norm_stays_in_float32_and_its_convolutions_do_not(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = Spec(
        modality="image", task="classification", source="x", format="folder", num_rows=9, classes=list("abc"),
        input_shape=[16, 16, 3],
    )  # fmt: skip
    transform = {"input_shape": [16, 16, 3], "mean": [0.5] * 3, "std": [0.25] * 3, "resize": "pad"}
    network = build_network(
        {"name": "resnet", "width": 16, "num_stages": 2, "depth": 1, "norm": "group"}, spec, transform
    )
    export_graph(network, tmp_path / "model.onnx", input_shape=[16, 16, 3])
    prepare_graph(tmp_path / "model.onnx", tmp_path / "prepared.onnx")
    rows = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    quantize_activations(tmp_path / "prepared.onnx", tmp_path / "int8.onnx", rows=rows, calibration="minmax")
    fp32, int8 = (OnnxModel(tmp_path / f"{name}.onnx", 1).predict(rows) for name in ("model", "int8"))
    assert 0 < np.square(int8 - fp32).mean() < 0.01 * fp32.var()
    graph = onnx.load(tmp_path / "int8.onnx").graph
    quantized = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    kinds = {node.op_type: set(node.input) & quantized for node in graph.node}
    assert "InstanceNormalization" in kinds
    assert len(kinds["Conv"]) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_recurrent_weights_are_stored_in_8_bits(cell: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = Spec(
        modality="text",
        task="classification",
        source="x",
        format="csv",
        num_rows=9,
        classes=list("ab"),
        input_shape=[8],
    )
    transform = {"input_shape": [8], "max_tokens": 8, "vocabulary": 30}
    network = build_network({"name": "rnn", "cell": cell}, spec, transform)
    export_graph(network, tmp_path / "model.onnx", input_shape=[8], modality="text")
    prepare_graph(tmp_path / "model.onnx", tmp_path / "prepared.onnx")
    rows = np.random.default_rng(0).integers(1, 30, (40, 8), dtype=np.int32)
    quantize_activations(tmp_path / "prepared.onnx", tmp_path / "int8.onnx", rows=rows, calibration="minmax")
    fp32, int8 = (OnnxModel(tmp_path / f"{name}.onnx", 1).predict(rows) for name in ("model", "int8"))
    assert 0 < np.abs(int8 - fp32).max() < 0.1 * np.ptp(fp32)
    assert (tmp_path / "int8.onnx").stat().st_size < 0.45 * (tmp_path / "model.onnx").stat().st_size
