"""Fallback by layer: on a network of which one layer destroys the quality, that layer is found and left in float32."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from headrace.quantization.candidates import CANDIDATES, make_candidate, prepare_graph
from headrace.quantization.layer_fallback import (
    choose_candidate_to_repair,
    exclude_sensitive_nodes,
    find_cheap_nodes,
    rank_nodes,
    tabulate_nodes,
)
from headrace.quantization.onnx_export import export_graph
from headrace.storage.onnx_model import OnnxModel

WIDTH, NUM_HIDDEN, LIMIT = 24, 5, 0.05
STATIC = CANDIDATES["static_minmax"]


def make_rows(num_rows: int = 200) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(num_rows, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def prepared_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dense network; the first unit of its second hidden layer is 10,000 times as large as all others.

    The layer after it divides by the same number: in float32 nothing changes, but 8 bits for all units of the layer
    leave nothing of the others.
    """
    torch.manual_seed(0)
    layers = [layer for _ in range(NUM_HIDDEN) for layer in (torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU())]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(WIDTH, 3))
    with torch.no_grad():
        for layer in network[::2]:
            torch.nn.init.kaiming_normal_(layer.weight)
        for parameter in (network[2].weight, network[2].bias):
            parameter[0] *= 1e4
        network[4].weight[:, 0] /= 1e4
    folder = tmp_path_factory.mktemp("dense")
    export_graph(network, folder / "model.onnx", input_shape=[WIDTH], modality="table")
    prepare_graph(folder / "model.onnx", folder / "prepared.onnx")
    return folder / "prepared.onnx"


def measure_divergence(prepared_path: Path, path: Path) -> float:
    expected, outputs = (OnnxModel(each, num_threads=1).predict(make_rows()) for each in (prepared_path, path))
    return float(np.square(outputs - expected).mean() / expected.var())


def find_destroyed(prepared_path: Path) -> set[str]:
    """Names of the node that computes the layer with the large unit, and of the one that multiplies it."""
    nodes = {node.input[0]: node for node in onnx.load(prepared_path).graph.node}
    chain, name = [], "input"
    while name in nodes:
        chain.append(nodes[name].name)
        name = nodes[name].output[0]
    return {chain[2], chain[4]}  # the activation between them is only quantized if they are


def test_nodes_of_the_destroyed_layer_rank_first(prepared_path: Path) -> None:
    ranked = rank_nodes(STATIC, prepared_path, rows=make_rows(64))
    assert {each.node for each in ranked[:2]} == find_destroyed(prepared_path)
    assert len(ranked) == 2 * NUM_HIDDEN + 1
    divergences = [each.divergence for each in ranked]
    assert all(value is not None for value in divergences)
    assert divergences == sorted(divergences, reverse=True)  # type: ignore[type-var]
    assert divergences[1] > 30 * divergences[2]  # type: ignore[operator]


def test_excluding_the_destroyed_layer_restores_the_outputs(prepared_path: Path, tmp_path: Path) -> None:
    rows, mixed_path = make_rows(), tmp_path / "mixed.onnx"
    make_candidate(STATIC, prepared_path, tmp_path / "int8.onnx", rows=rows)
    assert measure_divergence(prepared_path, tmp_path / "int8.onnx") > 10 * LIMIT
    fallback = exclude_sensitive_nodes(
        STATIC, prepared_path, mixed_path, rows=rows, seconds=60,
        is_within_limit=lambda path: measure_divergence(prepared_path, path) < LIMIT,
    )  # fmt: skip
    assert measure_divergence(prepared_path, mixed_path) < LIMIT
    assert find_destroyed(prepared_path) <= set(fallback.excluded)
    assert len(fallback.excluded) <= 4, "the first and the last layer, and the two nodes"
    assert {each.node for each in fallback.sensitivities if each.excluded} == set(fallback.excluded)
    integers = [each for each in onnx.load(mixed_path).graph.initializer if each.data_type == onnx.TensorProto.INT8]
    assert sum(numpy_helper.to_array(each).ndim == 2 for each in integers) == NUM_HIDDEN + 1 - 4
    assert {entry["node"] for entry in fallback.to_json()} == {row[0] for row in tabulate_nodes(fallback).rows}


def test_search_ends_at_the_limits_of_time_and_nodes(prepared_path: Path, tmp_path: Path) -> None:
    tried: list[Path] = []

    def refuse(path: Path) -> bool:
        tried.append(path)
        return False

    for seconds, num_tried in ((0.0, 1), (60.0, 2 * NUM_HIDDEN - 1)):
        tried.clear()
        fallback = exclude_sensitive_nodes(
            STATIC, prepared_path, tmp_path / "mixed.onnx", rows=make_rows(), is_within_limit=refuse, seconds=seconds
        )
        assert fallback.excluded == []
        assert len(tried) <= num_tried
        assert bool(fallback.sensitivities) is (seconds > 0)
        assert fallback.reason.startswith("loses too much with ")
    assert fallback.num_tried == fallback.num_nodes - 1 == 2 * NUM_HIDDEN


def test_cheap_nodes_are_the_first_and_the_last_layer_and_small_products(prepared_path: Path) -> None:
    nodes = {node.name: node.op_type for node in onnx.load(prepared_path).graph.node}
    gemms = [name for name, op in nodes.items() if op == "Gemm"]
    assert find_cheap_nodes(prepared_path, nodes) == [gemms[0], gemms[-1]]
    assert find_cheap_nodes(prepared_path, {}) == []


@pytest.mark.parametrize(
    ("losses", "repaired"),
    [
        ({"weights": 0.0, "static_minmax": 0.1, "static_percentile": 0.05}, "static_percentile"),
        ({"weights": 0.2, "static_minmax": 0.1, "static_percentile": 0.001}, None),
        ({"weights": 0.2, "dynamic": 0.0}, "weights"),
        ({"weights": 0.001}, None),
        ({}, None),
    ],
)
def test_candidate_to_repair(losses: dict[str, float], repaired: str | None) -> None:
    assert choose_candidate_to_repair(losses, 0.01) == repaired


def test_table_is_empty_without_a_ranking() -> None:
    assert tabulate_nodes(None) == (("node", "op", "divergence", "excluded"), ())


def test_weights_can_stay_in_float32_too(prepared_path: Path, tmp_path: Path) -> None:
    ranked = rank_nodes(CANDIDATES["weights"], prepared_path, rows=make_rows(64))
    assert {each.op for each in ranked} == {"Gemm"}
    excluded = ranked[0].node
    make_candidate(CANDIDATES["weights"], prepared_path, tmp_path / "w.onnx", rows=make_rows(), exclude=[excluded])
    stored = {each.name: each.data_type for each in onnx.load(tmp_path / "w.onnx").graph.initializer}
    (node,) = (node for node in onnx.load(prepared_path).graph.node if node.name == excluded)
    assert stored[node.input[1]] == onnx.TensorProto.FLOAT
    assert sum(name.endswith("_int8") for name in stored) == NUM_HIDDEN - 1
