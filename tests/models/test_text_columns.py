from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from headrace.models import models_for
from headrace.models.network import build_network
from headrace.models.text_columns import TextColumns
from headrace.quantization.onnx_export import export_graph, max_output_difference
from headrace.quantization.weight_only import quantize_weights
from headrace.storage.onnx_model import OnnxModel
from tests.text_tables import make_text_table

ENCODERS: list[Any] = [{"name": name, "width": 8} for name in models_for("text")]


def network_of(name: str = "mlp", **options: Any) -> nn.Sequential:
    torch.manual_seed(0)
    table = make_text_table()
    return build_network({"name": name, **options}, table.spec, table.transform)


def outputs_of(network: nn.Sequential, inputs: np.ndarray) -> torch.Tensor:
    with torch.inference_mode():
        return network.eval()(torch.from_numpy(inputs))


@pytest.mark.parametrize("encoder", ENCODERS, ids=models_for("text"))
@pytest.mark.parametrize("name", models_for("table"))
def test_every_model_of_tables_learns_from_texts_by_every_encoder(name: str, encoder: dict[str, Any]) -> None:
    inputs, network = make_text_table().inputs, network_of(name, text_encoder=encoder)
    logits = network(torch.from_numpy(inputs))
    assert logits.shape == (len(inputs), 2)
    nn.functional.cross_entropy(logits, torch.arange(len(inputs)) % 2).backward()
    assert [key for key, value in network.named_parameters() if not value.grad.abs().sum() > 0] == []  # type: ignore[union-attr]
    torch.testing.assert_close(outputs_of(network, inputs)[3:4], outputs_of(network, inputs[3:4]), rtol=1e-4, atol=1e-5)


def test_texts_have_features_of_their_own_beside_those_of_the_other_columns() -> None:
    prepare, model = network_of(text_encoder={"name": "text_mean", "width": 8, "dense": []})
    assert isinstance(model, TextColumns)
    assert model.max_tokens == [16, 16]
    assert model.num_features == 5  # a number, and a category with its unknown and missing values
    first_layer = next(module for module in model.model.modules() if isinstance(module, nn.Linear))
    assert first_layer.in_features == 5 + 2 * 8
    features, (titles, bodies) = model.split(prepare(torch.from_numpy(make_text_table().inputs)))
    assert features.shape[1] == 5
    assert titles.dtype == torch.int64
    assert (titles.numpy() == make_text_table().inputs[:, :16]).all()
    assert (bodies.numpy() == make_text_table().inputs[:, 17:33]).all()


def test_a_text_is_one_more_token_of_a_table_transformer() -> None:
    columns = network_of("table_transformer", text_encoder={"name": "text_mean", "width": 8})[1].model[0]  # type: ignore[union-attr, index]
    assert columns.members.shape[0] == 4
    assert columns.members.sum(dim=1).tolist() == [8.0, 1.0, 8.0, 4.0]


def test_embedded_rows_give_the_same_outputs() -> None:
    prepare, model = network_of(text_encoder={"name": "transformer", "width": 8}).eval()
    with torch.no_grad():
        prepared = prepare(torch.from_numpy(make_text_table().inputs))
        rows = model.embed(prepared)
        assert [mask.any(dim=1).sum().item() for mask in rows.masks] == [171, 200]
        torch.testing.assert_close(model.forward_embedded(rows), model(prepared))


def test_exported_graph_and_its_8_bit_weights_answer_alike(tmp_path) -> None:
    inputs, network, path = make_text_table().inputs, network_of(), tmp_path / "model.onnx"
    export_graph(network, path, input_shape=[inputs.shape[1]], modality="table")
    graph = OnnxModel(path, num_threads=1)
    assert max(max_output_difference(network, graph, rows) for rows in (inputs, inputs[:1])) < 1e-5
    assert quantize_weights(path, tmp_path / "int8.onnx") == 4, "embedding, encoder, and two layers"
    np.testing.assert_allclose(OnnxModel(tmp_path / "int8.onnx").predict(inputs), graph.predict(inputs), atol=0.05)
