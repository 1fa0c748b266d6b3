"""What every model must offer: one line in MODELS is enough to be covered."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from headrace.contracts import Json, ModalityName, Spec, TaskName
from headrace.errors import ConfigError
from headrace.models import MODELS, find_model, models_of
from headrace.models.network import build_network, load_network
from headrace.quantization.candidates import RECIPES, make, prepare
from headrace.quantization.onnx_export import export_graph, largest_difference
from headrace.storage.bundle import WEIGHTS, Bundle, Card, write_weights
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
CASES = [(name, modality) for modality in get_args(ModalityName) for name in models_of(modality)]
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
    """Rows as they lie in `data/normalized`: pixels, columns with missing values, or padded ids."""
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


def test_every_model_is_of_some_modality() -> None:
    assert {name for name, _ in CASES} == set(MODELS)
    assert {modality for _, modality in CASES} == set(get_args(ModalityName))


@cases
@pytest.mark.parametrize("num_rows", [1, 5])
def test_model_gives_one_logit_a_class(name: str, modality: ModalityName, num_rows: int) -> None:
    logits = network_of(name, modality)(torch.from_numpy(stored(modality, num_rows)))
    assert logits.shape == (num_rows, 4)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@cases
def test_model_gives_one_value_in_the_targets_unit(name: str, modality: ModalityName) -> None:
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
def test_model_in_evaluation_treats_each_row_alone(name: str, modality: ModalityName) -> None:
    network = network_of(name, modality).eval()
    inputs = torch.from_numpy(stored(modality, 6))
    with torch.inference_mode():
        torch.testing.assert_close(network(inputs)[2:3], network(inputs[2:3]), rtol=1e-4, atol=1e-5)


@cases
def test_model_has_its_first_weights_from_the_seed(name: str, modality: ModalityName) -> None:
    first, again = (network_of(name, modality).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)


@cases
@pytest.mark.parametrize("task", get_args(TaskName))
def test_model_saved_and_loaded_is_the_same(name: str, modality: ModalityName, task: TaskName, tmp_path: Path) -> None:
    network, spec = network_of(name, modality, task).eval(), spec_of(modality, task)
    write_weights(tmp_path, network.state_dict())
    card = Card("0" * 16, {"name": name}, spec.model_dump(), transform_of(modality), settings={}, lineage={})
    torch.manual_seed(1)
    loaded = load_network(Bundle(tmp_path, card))
    assert not loaded.training
    assert (tmp_path / WEIGHTS).is_file()
    inputs = torch.from_numpy(stored(modality, 3))
    with torch.inference_mode():
        assert torch.equal(loaded(inputs), network(inputs))


@pytest.mark.slow
@cases
def test_model_exports_and_its_int8_candidates_agree(name: str, modality: ModalityName, tmp_path: Path) -> None:
    network, path, inputs = network_of(name, modality), tmp_path / "model.onnx", stored(modality, 64)
    export_graph(network, path, input_shape=INPUT_SHAPES[modality], modality=modality)
    graph = OnnxModel(path, num_threads=1)
    assert largest_difference(network, graph, inputs[:1]) < 1e-4  # another batch size than the exported one
    assert largest_difference(network, graph, inputs) < 1e-4
    if modality == "text":
        for num_tokens in (1, 5):
            assert largest_difference(network, graph, stored(modality, 7, num_tokens)) < 1e-4
    prepare(path, tmp_path / "prepared.onnx")
    logits = graph.predict(inputs)
    for recipe in ("static_minmax", "static_percentile", "dynamic"):
        make(RECIPES[recipe], tmp_path / "prepared.onnx", tmp_path / f"{recipe}.onnx", rows=inputs)
        int8 = OnnxModel(tmp_path / f"{recipe}.onnx", num_threads=1).predict(inputs)
        assert np.abs(int8 - logits).max() < 0.2 * np.ptp(logits)


def test_find_model_of_an_unknown_name_says_what_was_meant() -> None:
    with pytest.raises(ConfigError) as caught:
        find_model({"name": "cn"}, "params.yaml: train.model")
    assert str(caught.value) == (
        "params.yaml: train.model.name: 'cn' is no model; choose one of ['cnn', 'linear', 'mlp', 'resmlp', 'resnet', "
        "'rnn', 'table_transformer', 'text_mean', 'transformer', 'vit'] (did you mean 'cnn'?)"
    )


def test_table_transformer_is_told_the_columns_of_the_features() -> None:
    columns = network_of("table_transformer", "table")[1][0]  # type: ignore[index]
    assert columns.members.tolist() == [
        [1, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 1],
    ], "two numbers with their flags, and three categories"


@pytest.mark.parametrize(
    ("name", "modality", "allowed"),
    [
        ("cnn", "text", "['rnn', 'text_mean', 'transformer']"),
        ("rnn", "table", "['linear', 'mlp', 'resmlp', 'table_transformer']"),
        ("resmlp", "image", "['cnn', 'linear', 'mlp', 'resnet', 'vit']"),
    ],
)
def test_model_of_another_modality_is_refused(name: str, modality: ModalityName, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        network_of(name, modality)
    assert str(caught.value) == (
        f"params.yaml: train.model.name: {name!r} is no {modality} model, and the data are {modality}; "
        f"choose one of {allowed}"
    )


OUTSIDE = """
from torch import nn
from headrace.config import Section

class Line(Section):
    bias: bool = True
    def build(self, input_shape, num_outputs):
        return nn.Sequential(nn.Flatten(), nn.Linear(input_shape[0] * input_shape[1] * input_shape[2], num_outputs))

class Plain:
    def __init__(self, width=3):
        if width < 1:
            raise ValueError(f"width {width} is too narrow")
        self.width = width
    build = Line.build

class Nothing:
    pass
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module outside the tree."""
    package = f"outside_{tmp_path.name.replace('-', '_')}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    (tmp_path / package / "networks.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    return f"{package}.networks"


@pytest.mark.parametrize("options", [{}, {"bias": False}])
def test_find_model_outside_the_tree_builds_its_network(package: str, options: dict[str, object]) -> None:
    network = build_network({"name": f"{package}:Line", **options}, spec_of("image"), transform_of("image"))
    assert network(torch.from_numpy(stored("image", 2))).shape == (2, 4)


def test_find_model_outside_the_tree_may_be_any_class_with_build(package: str) -> None:
    model = find_model({"name": f"{package}:Plain", "width": 7}, "here")
    assert model.width == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("attribute", "options", "told"),
    [
        ("Lien", {}, "here.name: cannot import '{}:Lien' (module '{}' has no attribute 'Lien'); "
         "write 'my_package.module:Thing'"),
        ("Nothing", {}, "here.name: '{}:Nothing' has no method build(input_shape, num_outputs); add it"),
        ("Line", {"bais": True}, "here.bais: unknown key; choose one of ['bias'] (did you mean 'bias'?)"),
        ("Plain", {"width": 0}, "here: {}:Plain does not take these options: width 0 is too narrow"),
        ("Plain", {"depth": 1}, "here: {}:Plain does not take these options: "
         "Plain.__init__() got an unexpected keyword argument 'depth'"),
    ],
)  # fmt: skip
def test_find_model_outside_the_tree_tells_its_mistakes(
    package: str, attribute: str, options: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        find_model({"name": f"{package}:{attribute}", **options}, "here")
    assert str(caught.value) == told.replace("{}", package)


@pytest.mark.parametrize("name", ["no_such_package:Thing", "headrace.no_such:Thing", ":Thing", ".here:Thing", "json:"])
def test_find_model_that_cannot_be_imported_says_how_to_write_it(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^here\.name: cannot import '.*' \(.*\); write 'my_package\.module:Thing'$"):
        find_model({"name": name}, "here")
