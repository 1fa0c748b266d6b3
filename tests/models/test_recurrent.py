from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from headrace.models.layers import TextModel
from headrace.models.recurrent import CellName
from headrace.models.text import Rnn
from headrace.quantization.onnx_export import export_graph, max_output_difference
from headrace.storage.onnx_model import OnnxModel

MAX_TOKENS, VOCABULARY = 20, 30


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_recurrent_network_matches_torch_for_rows_without_padding(cell: CellName) -> None:
    network = Rnn(cell=cell, width=5, hidden=4).build([MAX_TOKENS, VOCABULARY], 3)
    assert isinstance(network, TextModel)
    forward, backward = (direction.cell for direction in network.layers[0])  # type: ignore[index, union-attr]
    reference = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](5, 4, batch_first=True, bidirectional=True)
    weights = {**forward.state_dict(), **{f"{key}_reverse": value for key, value in backward.state_dict().items()}}
    reference.load_state_dict(weights)
    tokens = torch.randint(1, VOCABULARY, (2, 6))
    expected = network.head(reference(network.embed(tokens))[0].mean(dim=1))  # type: ignore[operator]
    torch.testing.assert_close(network(tokens), expected)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_recurrent_layer_is_exported_as_one_operator_for_any_number_of_tokens(tmp_path: Path, cell: str) -> None:
    network = Rnn(cell=cell, bidirectional=False).build([20, 30], 3)  # type: ignore[arg-type]
    export_graph(network, tmp_path / "model.onnx", input_shape=[20], modality="text")
    kinds = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert kinds.count(cell.upper()) == 1
    assert "Loop" not in kinds
    graph = OnnxModel(tmp_path / "model.onnx", num_threads=1)
    for num_tokens in (1, 7, 20):
        ids = np.random.default_rng(0).integers(1, 30, (3, num_tokens), dtype=np.int32)
        assert max_output_difference(network, graph, ids) < 1e-5
