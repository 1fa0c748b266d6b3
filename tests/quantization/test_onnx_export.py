from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from headrace.errors import ConfigError
from headrace.models.network import load_network
from headrace.models.text import Rnn, TextMean, Transformer
from headrace.paths import Paths
from headrace.quantization.onnx_export import export_graph, max_output_difference
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle
from headrace.storage.onnx_model import OnnxModel


def test_exported_graph_matches_the_eager_network(trained: Paths) -> None:
    bundle = read_bundle(trained.trained_dir)
    inputs = open_arrays(trained.normalized_dir / "val").inputs
    assert max_output_difference(load_network(bundle), bundle.graph(), inputs) < 1e-4


def test_max_output_difference_detects_another_network(trained: Paths) -> None:
    bundle = read_bundle(trained.trained_dir)
    network = load_network(bundle)
    with torch.no_grad():
        next(network[1].parameters()).mul_(2)
    assert max_output_difference(network, bundle.graph(), open_arrays(trained.normalized_dir / "val").inputs) > 0.1


@pytest.mark.parametrize("num_rows", [1, 2, 257])
def test_exported_graph_accepts_any_number_of_rows(trained: Paths, num_rows: int) -> None:
    rows = np.zeros((num_rows, 16, 16, 1), np.uint8)
    assert read_bundle(trained.trained_dir).graph().run(rows).shape == (num_rows, 3)


def test_exported_graph_has_no_dropout(tmp_path: Path) -> None:
    class Dropping(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = torch.nn.Dropout(0.5)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.drop(rows.to(torch.float32).flatten(1))

    export_graph(Dropping().train(), tmp_path / "model.onnx", input_shape=[2, 2, 1])
    rows = np.full((3, 2, 2, 1), 7, np.uint8)
    assert (OnnxModel(tmp_path / "model.onnx").predict(rows) == 7).all()


def test_export_graph_of_an_unsupported_network_raises(tmp_path: Path) -> None:
    class Branching(torch.nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows.flatten(1).float() if rows.float().mean() > 3 else rows.flatten(1).float() * 2

    with pytest.raises(ConfigError, match=r"train\.model: torch cannot export this network"):
        export_graph(Branching(), tmp_path / "model.onnx", input_shape=[2, 2, 1])


@pytest.mark.parametrize("model", [TextMean(), Rnn(), Transformer()])
def test_text_model_of_one_token_is_exported(tmp_path: Path, model: TextMean | Rnn | Transformer) -> None:
    network = model.build([1, 30], 3)
    export_graph(network, tmp_path / "model.onnx", input_shape=[1], modality="text")
    ids = np.arange(5, dtype=np.int32)[:, None]
    assert max_output_difference(network, OnnxModel(tmp_path / "model.onnx", num_threads=1), ids) < 1e-5


def test_export_graph_names_the_output(tmp_path: Path) -> None:
    export_graph(
        torch.nn.Linear(3, 1), tmp_path / "model.onnx", input_shape=[3], modality="table", output_name="values"
    )
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert ([value.name for value in graph.input], [value.name for value in graph.output]) == (["input"], ["values"])
