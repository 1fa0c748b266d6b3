"""How far two trainings agree: files as `train` and `test` write them."""

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from headrace.paths import Paths
from headrace.reproduction.agreement import compare_data, compare_metrics, compare_weights
from headrace.storage.bundle import GRAPH, WEIGHTS, write_weights
from headrace.tracking.outbox import hash_file

LINEAGE = {"code": "c", "data": {"raw": "1a", "normalized": "2b"}, "python": "3.11", "packages": {"torch": "2.13"}}


def write_graph(path, values):
    tensor = numpy_helper.from_array(np.asarray(values, np.float32), "layer.weight")
    places = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    node = helper.make_node("Add", ["x", "layer.weight"], ["y"])
    graph = helper.make_graph([node], "graph", places[:1], places[1:], [tensor])
    onnx.save(helper.make_model(graph), path)
    return path


@pytest.fixture
def project(tmp_path):
    paths = Paths(tmp_path)
    paths.trained_dir.mkdir(parents=True)
    write_weights(paths.trained_dir, {"layer.weight": torch.ones(2)})
    write_graph(paths.trained_dir / GRAPH, [1.0, 1.0])
    paths.metrics_path("train").parent.mkdir()
    paths.metrics_path("train").write_text(json.dumps({"val_loss": 0.25, "fit_seconds": 9.0, "epochs": 3}))
    return paths


def test_equal_weights_are_equal_bit_for_bit(project):
    digest = hash_file(project.trained_dir / WEIGHTS)
    assert compare_weights(project, digest, None) == (True, f"weights: equal bit for bit (sha256 {digest})")


def test_other_weights_have_a_distance(project, tmp_path):
    graph_path = write_graph(tmp_path / "model.onnx", [1.0, 1.5])
    assert compare_weights(project, "0" * 64, graph_path) == (
        False, "weights: differ, by at most 0.5 (layer.weight)",
    )  # fmt: skip
    write_graph(graph_path, [1.0, 1.0, 1.0])
    assert compare_weights(project, "", graph_path) == (False, "weights: differ, also in their shapes")
    assert compare_weights(project, "0" * 64, None)[1].startswith("weights: differ; the model serves no float32 graph")
    assert compare_weights(project, "", None)[1].startswith("weights: not compared: their hash was not recorded")


def test_weights_of_an_earlier_release_are_compared_in_the_graph(project, tmp_path):
    graph_path = write_graph(tmp_path / "model.onnx", [1.0, 1.0])
    assert compare_weights(project, "", graph_path) == (True, "weights: equal bit for bit (those of the graph)")


def test_metrics_are_compared_without_times(project):
    recorded = {"train": {"val_loss": 0.25, "fit_seconds": 5.0, "samples_per_second": 7.0, "epochs": 3}}
    assert compare_metrics(recorded, project) == (True, "metrics: all 2 equal bit for bit")
    recorded["train"]["val_loss"] = 0.2500001
    assert compare_metrics(recorded, project) == (
        False, "metrics: 1 of 2 equal bit for bit; farthest apart is train/val_loss: 0.2500001, here 0.25",
    )  # fmt: skip
    recorded["test"] = {"accuracy": 0.9}
    assert compare_metrics(recorded, project)[1].endswith("farthest apart is test/accuracy: 0.9, here not there")
    assert compare_metrics({}, project) == (False, "metrics: none were recorded")


def test_data_code_and_environment_are_named_where_they_differ():
    assert list(compare_data(LINEAGE, LINEAGE)) == ["data: equal (data/raw 1a, data/normalized 2b)"]
    other = {**LINEAGE, "code": "d", "data": {"raw": "3c", "normalized": "2b"}, "packages": {"torch": "2.14"}}
    assert list(compare_data(LINEAGE, other)) == [
        "data: differ (data/raw): the source has changed since",
        "code: differs from that of the model; its version of headrace is needed",
        "environment: differs: torch 2.13 (here 2.14)",
    ]
    assert next(compare_data({"data": {"raw": ""}}, {})) == "data: DVC's hashes were not recorded"
