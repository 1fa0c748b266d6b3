"""The contract of a model: every entry of MODELS is covered."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from headrace.contracts import Json, ModalityName, Spec, TaskName
from headrace.models import MODELS, models_for
from headrace.models.network import build_network, load_network
from headrace.quantization.candidates import CANDIDATES, make_candidate, prepare_graph
from headrace.quantization.onnx_export import export_graph, max_output_difference
from headrace.quantization.weight_only import MIN_WEIGHTS
from headrace.storage.bundle import WEIGHTS, Bundle, BundleCard, write_weights
from headrace.storage.onnx_model import OnnxModel

INPUT_SHAPES: dict[ModalityName, list[int]] = {"image": [16, 20, 3], "table": [3], "text": [8]}
NUMERIC = {"kind": "numeric", "fill": 0.5, "center": 0.5, "scale": 0.3, "has_missing": True, "quantiles": None}
TRANSFORMS: dict[ModalityName, Json] = {
    "image": {"mean": [0.2, 0.4, 0.5], "std": [0.25, 0.2, 0.3], "resize": "pad"},
    "table": {
        "inputs": [NUMERIC, {**NUMERIC, "quantiles": [0.0, 0.2, 0.7, 1.0]}, {"kind": "categorical", "num_values": 3}]
    },
    "text": {"max_tokens": 8, "vocabulary": 30},
}
CASES = [(name, modality) for modality in get_args(ModalityName) for name in models_for(modality)]
cases = pytest.mark.parametrize(("name", "modality"), CASES)


def transform_of(modality: ModalityName) -> Json:
    return {"input_shape": INPUT_SHAPES[modality], **TRANSFORMS[modality], "target": {"mean": 50.0, "std": 4.0}}


def spec_of(modality: ModalityName, task: TaskName = "classification") -> Spec:
    return Spec(
        modality=modality, task=task, source="x", format="folder", num_rows=9,
        classes=list("abcd") if task != "regression" else [], input_shape=INPUT_SHAPES[modality],
    )  # fmt: skip


def network_of(name: str, modality: ModalityName, task: TaskName = "classification") -> nn.Sequential:
    torch.manual_seed(0)
    return build_network({"name": name}, spec_of(modality, task), transform_of(modality))


def stored(modality: ModalityName, num_rows: int, num_tokens: int = 8) -> NDArray[Any]:
    """Rows as stored in `data/normalized`: pixels, columns with missing values, or padded ids."""
    rng = np.random.default_rng(0)
    if modality == "image":
        return rng.integers(0, 256, (num_rows, *INPUT_SHAPES["image"]), dtype=np.uint8)
    if modality == "text":
        ids = rng.integers(1, 30, (num_rows, num_tokens), dtype=np.int32)
        return np.where(np.arange(num_tokens) < rng.integers(1, num_tokens + 1, (num_rows, 1)), ids, 0)
    columns = rng.random((num_rows, 3), dtype=np.float32)
    columns[:, 2] = rng.integers(0, 3, num_rows)
    columns[rng.random((num_rows, 3)) < [0.3, 0.3, 0]] = np.nan
    return columns


def test_every_model_has_a_modality() -> None:
    assert {name for name, _ in CASES} == set(MODELS)
    assert {modality for _, modality in CASES} == set(get_args(ModalityName))


@cases
@pytest.mark.parametrize("num_rows", [1, 5])
def test_model_outputs_one_logit_per_class(name: str, modality: ModalityName, num_rows: int) -> None:
    logits = network_of(name, modality)(torch.from_numpy(stored(modality, num_rows)))
    assert logits.shape == (num_rows, 4)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@cases
def test_model_outputs_one_value_in_the_unit_of_the_target(name: str, modality: ModalityName) -> None:
    preprocess, model, rescale = network_of(name, modality, "regression").eval()
    prepared = preprocess(torch.from_numpy(stored(modality, 5)))
    assert model(prepared).shape == (5, 1)
    torch.testing.assert_close(rescale(model(prepared)), model(prepared) * 4 + 50)


@cases
def test_model_has_gradients_everywhere(name: str, modality: ModalityName) -> None:
    network = network_of(name, modality)
    logits = network(torch.from_numpy(stored(modality, 64)))
    nn.functional.cross_entropy(logits, torch.arange(64) % 4).backward()
    without = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert without == []


@cases
def test_model_in_evaluation_treats_rows_independently(name: str, modality: ModalityName) -> None:
    network = network_of(name, modality).eval()
    inputs = torch.from_numpy(stored(modality, 6))
    with torch.inference_mode():
        torch.testing.assert_close(network(inputs)[2:3], network(inputs[2:3]), rtol=1e-4, atol=1e-5)


@cases
def test_initial_weights_depend_on_the_seed(name: str, modality: ModalityName) -> None:
    first, again = (network_of(name, modality).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)


@cases
@pytest.mark.parametrize("task", get_args(TaskName))
def test_loaded_model_equals_the_saved_one(name: str, modality: ModalityName, task: TaskName, tmp_path: Path) -> None:
    network, spec = network_of(name, modality, task).eval(), spec_of(modality, task)
    write_weights(tmp_path, network.state_dict())
    card = BundleCard("0" * 16, {"name": name}, spec.model_dump(), transform_of(modality), settings={}, lineage={})
    torch.manual_seed(1)
    loaded = load_network(Bundle(tmp_path, card))
    assert not loaded.training
    assert (tmp_path / WEIGHTS).is_file()
    inputs = torch.from_numpy(stored(modality, 3))
    with torch.inference_mode():
        assert torch.equal(loaded(inputs), network(inputs))


def has_large_weights(path: Path) -> bool:
    tensors = onnx.load(path).graph.initializer
    return any(len(tensor.dims) > 1 and np.prod(tensor.dims) >= MIN_WEIGHTS for tensor in tensors)


@pytest.mark.slow
@cases
def test_exported_model_and_its_int8_candidates_agree(name: str, modality: ModalityName, tmp_path: Path) -> None:
    network, path, inputs = network_of(name, modality), tmp_path / "model.onnx", stored(modality, 64)
    export_graph(network, path, input_shape=INPUT_SHAPES[modality], modality=modality)
    graph = OnnxModel(path, num_threads=1)
    assert max_output_difference(network, graph, inputs[:1]) < 1e-4  # a batch size other than the exported one
    assert max_output_difference(network, graph, inputs) < 1e-4
    many = stored(modality, 1000)
    with torch.inference_mode():
        eager = network.eval()(torch.from_numpy(many)).numpy()
    assert (eager.argmax(axis=1) == graph.predict(many).argmax(axis=1)).mean() >= 0.999
    if modality == "text":
        for num_tokens in (1, 5):
            assert max_output_difference(network, graph, stored(modality, 7, num_tokens)) < 1e-4
    prepare_graph(path, tmp_path / "prepared.onnx")
    logits = graph.predict(inputs)
    for candidate in ("weights", "static_minmax", "static_percentile"):
        if candidate == "weights" and not has_large_weights(path):
            continue  # a candidate would be no smaller
        make_candidate(CANDIDATES[candidate], tmp_path / "prepared.onnx", tmp_path / f"{candidate}.onnx", rows=inputs)
        int8 = OnnxModel(tmp_path / f"{candidate}.onnx", num_threads=1).predict(inputs)
        assert np.abs(int8 - logits).max() < 0.2 * np.ptp(logits)
