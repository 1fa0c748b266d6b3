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
from headrace.quantization.candidates import RECIPES, Candidate, make, prepare
from headrace.quantization.onnx_export import export_graph
from headrace.storage.arrays import open_arrays
from headrace.storage.onnx_model import OnnxModel


def made(trained: Paths, recipe: Candidate, folder: Path) -> Path:
    rows = open_arrays(trained.normalized_dir / "train").inputs[:75]  # the last run is shorter than the others
    prepare(trained.trained_dir / "model.onnx", folder / "prepared.onnx")
    make(recipe, folder / "prepared.onnx", folder / "made.onnx", rows=rows)
    return folder / "made.onnx"


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_a_graph_that_nearly_agrees(
    name: str, trained: Paths, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    inputs = open_arrays(trained.normalized_dir / "val").inputs
    candidate = OnnxModel(made(trained, RECIPES[name], tmp_path)).predict(inputs)
    fp32 = OnnxModel(trained.trained_dir / "model.onnx").predict(inputs)
    assert (candidate.argmax(axis=1) == fp32.argmax(axis=1)).mean() > 0.9
    assert not np.array_equal(candidate, fp32)
    assert capfd.readouterr() == ("", "")


def test_static_graph_holds_signed_weights_a_channel(trained: Paths, tmp_path: Path) -> None:
    graph = onnx.load(made(trained, RECIPES["static_minmax"], tmp_path)).graph
    weights = {weight.name: weight for weight in graph.initializer}
    kernels = [weight for weight in weights.values() if weight.data_type == onnx.TensorProto.INT8 and weight.dims]
    kernels = [weight for weight in kernels if len(weight.dims) == 4]
    assert {weight.dims[0] for weight in kernels} == {8, 16}
    for weight in kernels:
        assert list(weights[weight.name.replace("_quantized", "_scale")].dims) == [weight.dims[0]]


def test_reduced_range_keeps_weights_in_seven_bits(trained: Paths, tmp_path: Path) -> None:
    graph = onnx.load(made(trained, RECIPES["static_reduced"], tmp_path)).graph
    kernels = [onnx.numpy_helper.to_array(weight) for weight in graph.initializer if len(weight.dims) == 4]
    assert kernels
    assert all(abs(kernel.astype(int)).max() <= 64 for kernel in kernels)


def test_dynamic_graph_leaves_convolutions_alone(trained: Paths, tmp_path: Path) -> None:
    kinds = {node.op_type for node in onnx.load(made(trained, RECIPES["dynamic"], tmp_path)).graph.node}
    assert {"Conv", "MatMulInteger"} <= kinds
    assert "ConvInteger" not in kinds


def test_making_leaves_logging_as_it_was(trained: Paths, tmp_path: Path) -> None:
    before = logging.getLogger().handlers[:], logging.root.manager.disable
    made(trained, RECIPES["static_minmax"], tmp_path)
    assert (logging.getLogger().handlers, logging.root.manager.disable) == before


def test_what_is_no_graph_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="not a graph that ONNX Runtime takes") as caught:
        prepare(tmp_path / "model.onnx", tmp_path / "prepared.onnx")
    assert "\n" not in str(caught.value)
    rows = np.zeros((2, 2, 2, 1), np.uint8)
    with pytest.raises(DataError, match="could not be made: "):
        make(RECIPES["dynamic"], tmp_path / "model.onnx", tmp_path / "made.onnx", rows=rows)


@pytest.mark.parametrize("name", ["static_minmax", "static_percentile"])
def test_static_graph_of_a_table_leaves_its_preprocessing_alone(name: str, tmp_path: Path) -> None:
    numeric = {"kind": "numeric", "fill": 5.0, "has_missing": True, "quantiles": None}
    wide, narrow = {"center": 1e6, "scale": 1e6}, {"center": 0.0, "scale": 1e-3}
    network = torch.nn.Sequential(
        TablePreprocess({"inputs": [{**numeric, **wide}, {**numeric, **narrow}]}), Mlp(dense=[16]).build([4], 2)
    )
    rows = np.random.default_rng(0).normal([1e6, 0], [1e6, 1e-3], (200, 2)).astype(np.float32)
    rows[::7, 0] = np.nan
    export_graph(network, tmp_path / "model.onnx", input_shape=[2], modality="table")
    prepare(tmp_path / "model.onnx", tmp_path / "prepared.onnx")
    make(RECIPES[name], tmp_path / "prepared.onnx", tmp_path / "made.onnx", rows=rows)
    fp32, int8 = (OnnxModel(tmp_path / f"{kind}.onnx", num_threads=1).predict(rows) for kind in ("model", "made"))
    assert 0 < np.abs(int8 - fp32).max() < 0.05 * np.ptp(fp32)
