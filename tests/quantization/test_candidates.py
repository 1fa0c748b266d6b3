import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from headrace.data.table.encoding.preprocess import TablePreprocess
from headrace.errors import DataError
from headrace.models.mlp import Mlp
from headrace.paths import Paths
from headrace.quantization.candidates import (
    CANDIDATES,
    Candidate,
    list_candidates,
    make_candidate,
    prepare_graph,
)
from headrace.quantization.onnx_export import export_graph
from headrace.storage.arrays import open_arrays
from headrace.storage.onnx_model import OnnxModel


def make_from(trained: Paths, candidate: Candidate, folder: Path) -> Path:
    rows = open_arrays(trained.normalized_dir / "train").inputs[
        :75
    ]  # the last calibration run is shorter than the others
    prepare_graph(trained.trained_dir / "model.onnx", folder / "prepared.onnx")
    make_candidate(candidate, folder / "prepared.onnx", folder / "int8.onnx", rows=rows)
    return folder / "int8.onnx"


@pytest.mark.parametrize("name", CANDIDATES)
def test_make_candidate_nearly_agrees_with_fp32(
    name: str, trained: Paths, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    inputs = open_arrays(trained.normalized_dir / "val").inputs
    int8 = OnnxModel(make_from(trained, CANDIDATES[name], tmp_path)).predict(inputs)
    fp32 = OnnxModel(trained.trained_dir / "model.onnx").predict(inputs)
    assert (int8.argmax(axis=1) == fp32.argmax(axis=1)).mean() > 0.9
    assert not np.array_equal(int8, fp32)
    assert capfd.readouterr() == ("", "")


def test_static_candidate_has_signed_weights_per_channel(trained: Paths, tmp_path: Path) -> None:
    graph = onnx.load(make_from(trained, CANDIDATES["static_minmax"], tmp_path)).graph
    weights = {weight.name: weight for weight in graph.initializer}
    kernels = [weight for weight in weights.values() if weight.data_type == onnx.TensorProto.INT8 and weight.dims]
    kernels = [weight for weight in kernels if len(weight.dims) == 4]
    assert {weight.dims[0] for weight in kernels} == {8, 16}
    for weight in kernels:
        assert list(weights[weight.name.replace("_quantized", "_scale")].dims) == [weight.dims[0]]


def test_static_candidates_have_seven_bits_for_weights(trained: Paths, tmp_path: Path) -> None:
    graph = onnx.load(make_from(trained, CANDIDATES["static_percentile"], tmp_path)).graph
    kernels = [onnx.numpy_helper.to_array(weight) for weight in graph.initializer if len(weight.dims) == 4]
    assert kernels
    assert all(abs(kernel.astype(int)).max() <= 64 for kernel in kernels)


def test_dynamic_candidate_has_seven_bits_for_weights(trained: Paths, tmp_path: Path) -> None:
    graph = onnx.load(make_from(trained, CANDIDATES["dynamic"], tmp_path)).graph
    weights = [onnx.numpy_helper.to_array(each) for each in graph.initializer if len(each.dims) == 2]
    weights = [each for each in weights if each.dtype == np.int8]
    assert weights
    assert all(abs(each.astype(int)).max() <= 64 for each in weights)


@pytest.mark.parametrize("name", CANDIDATES)
def test_candidate_says_whether_other_processors_answer_alike(name: str) -> None:
    assert ("7 bits" if name != "weights" else "float32") in CANDIDATES[name].portability


def test_list_candidates_follows_methods_and_calibrations() -> None:
    assert list_candidates(["weights", "static"], ["minmax", "entropy"]) == [
        "weights",
        "static_minmax",
        "static_entropy",
    ]
    assert list_candidates(["dynamic"], ["minmax"]) == ["dynamic"]


def test_dynamic_candidate_does_not_quantize_convolutions(trained: Paths, tmp_path: Path) -> None:
    kinds = {node.op_type for node in onnx.load(make_from(trained, CANDIDATES["dynamic"], tmp_path)).graph.node}
    assert {"Conv", "MatMulInteger"} <= kinds
    assert "ConvInteger" not in kinds


def test_make_candidate_restores_logging(trained: Paths, tmp_path: Path) -> None:
    before = logging.getLogger().handlers[:], logging.root.manager.disable
    make_from(trained, CANDIDATES["static_minmax"], tmp_path)
    assert (logging.getLogger().handlers, logging.root.manager.disable) == before


def test_invalid_graph_raises_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="ONNX Runtime cannot process this graph") as caught:
        prepare_graph(tmp_path / "model.onnx", tmp_path / "prepared.onnx")
    assert "\n" not in str(caught.value)
    rows = np.zeros((2, 2, 2, 1), np.uint8)
    with pytest.raises(DataError, match="could not be made: "):
        make_candidate(CANDIDATES["dynamic"], tmp_path / "model.onnx", tmp_path / "int8.onnx", rows=rows)


@pytest.mark.parametrize("name", ["static_minmax", "static_percentile"])
def test_static_candidate_does_not_quantize_the_preprocessing_of_a_table(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    numeric = {"kind": "numeric", "fill": 5.0, "has_missing": True, "quantiles": None}
    wide, narrow = {"center": 1e6, "scale": 1e6}, {"center": 0.0, "scale": 1e-3}
    network = torch.nn.Sequential(
        TablePreprocess({"inputs": [{**numeric, **wide}, {**numeric, **narrow}]}), Mlp(dense=[16]).build([4], 2)
    )
    rows = np.random.default_rng(0).normal([1e6, 0], [1e6, 1e-3], (200, 2)).astype(np.float32)
    rows[::7, 0] = np.nan
    export_graph(network, tmp_path / "model.onnx", input_shape=[2], modality="table")
    prepare_graph(tmp_path / "model.onnx", tmp_path / "prepared.onnx")
    make_candidate(CANDIDATES[name], tmp_path / "prepared.onnx", tmp_path / "int8.onnx", rows=rows)
    fp32, int8 = (OnnxModel(tmp_path / f"{kind}.onnx", num_threads=1).predict(rows) for kind in ("model", "int8"))
    assert 0 < np.abs(int8 - fp32).max() < 0.05 * np.ptp(fp32)
