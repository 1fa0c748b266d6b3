"""What every model must offer: one line in MODELS is enough to be covered."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.contracts import Spec
from pipeline.errors import ConfigError
from pipeline.modalities.network import build_network, load_network
from pipeline.models import MODELS, find_model
from pipeline.quantization.candidates import RECIPES, make, prepare
from pipeline.quantization.export import export_graph, largest_difference
from pipeline.storage.bundle import WEIGHTS, Bundle, Card, write_weights
from pipeline.storage.onnx_model import OnnxModel

INPUT_SHAPE = [16, 20, 3]
TRANSFORM = {"input_shape": INPUT_SHAPE, "mean": [0.2, 0.4, 0.5], "std": [0.25, 0.2, 0.3], "resize": "pad"}
SPEC = Spec(
    modality="image", task="classification", source="x", format="folder", num_rows=9, classes=list("abcd"),
    input_shape=INPUT_SHAPE,
)  # fmt: skip
names = pytest.mark.parametrize("name", MODELS)


def network_of(name: str) -> nn.Sequential:
    torch.manual_seed(0)
    return build_network({"name": name}, SPEC, TRANSFORM)


def pixels(num_rows: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (num_rows, *INPUT_SHAPE), dtype=np.uint8)


@names
@pytest.mark.parametrize("num_rows", [1, 5])
def test_model_gives_one_logit_a_class(name: str, num_rows: int) -> None:
    logits = network_of(name)(torch.from_numpy(pixels(num_rows)))
    assert logits.shape == (num_rows, 4)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@names
def test_model_has_gradients_everywhere(name: str) -> None:
    network = network_of(name)
    nn.functional.cross_entropy(network(torch.from_numpy(pixels(64))), torch.arange(64) % 4).backward()
    without = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert without == []


@names
def test_model_in_evaluation_treats_each_row_alone(name: str) -> None:
    network = network_of(name).eval()
    inputs = torch.from_numpy(pixels(6))
    with torch.inference_mode():
        torch.testing.assert_close(network(inputs)[2:3], network(inputs[2:3]), rtol=1e-4, atol=1e-5)


@names
def test_model_has_its_first_weights_from_the_seed(name: str) -> None:
    first, again = network_of(name).state_dict(), network_of(name).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)


@names
def test_model_saved_and_loaded_is_the_same(name: str, tmp_path: Path) -> None:
    network = network_of(name).eval()
    write_weights(tmp_path, network.state_dict())
    card = Card("0" * 16, {"name": name}, SPEC.model_dump(), TRANSFORM, settings={}, lineage={})
    torch.manual_seed(1)
    loaded = load_network(Bundle(tmp_path, card))
    assert not loaded.training
    assert (tmp_path / WEIGHTS).is_file()
    inputs = torch.from_numpy(pixels(3))
    with torch.inference_mode():
        assert torch.equal(loaded(inputs), network(inputs))


@names
def test_model_exports_and_its_int8_candidates_agree(name: str, tmp_path: Path) -> None:
    network, path, inputs = network_of(name), tmp_path / "model.onnx", pixels(64)
    export_graph(network, path, input_shape=INPUT_SHAPE)
    graph = OnnxModel(path, num_threads=1)
    assert largest_difference(network, graph, inputs[:1]) < 1e-4  # another batch size than the exported one
    assert largest_difference(network, graph, inputs) < 1e-4
    prepare(path, tmp_path / "prepared.onnx")
    logits = graph.predict(inputs)
    for recipe in ("static_minmax", "dynamic"):
        make(RECIPES[recipe], tmp_path / "prepared.onnx", tmp_path / f"{recipe}.onnx", rows=inputs)
        int8 = OnnxModel(tmp_path / f"{recipe}.onnx", num_threads=1).predict(inputs)
        assert np.abs(int8 - logits).max() < 0.2 * np.ptp(logits)


def test_find_model_of_an_unknown_name_says_what_was_meant() -> None:
    with pytest.raises(ConfigError) as caught:
        find_model({"name": "cn"}, "params.yaml: train.model")
    assert str(caught.value) == (
        "params.yaml: train.model.name: 'cn' is no image model; choose one of ['cnn', 'mlp'] (did you mean 'cnn'?)"
    )


OUTSIDE = """
from torch import nn
from pipeline.config import Section

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
    network = build_network({"name": f"{package}:Line", **options}, SPEC, TRANSFORM)
    assert network(torch.from_numpy(pixels(2))).shape == (2, 4)


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


@pytest.mark.parametrize("name", ["no_such_package:Thing", "pipeline.no_such:Thing", ":Thing", ".here:Thing", "json:"])
def test_find_model_that_cannot_be_imported_says_how_to_write_it(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^here\.name: cannot import '.*' \(.*\); write 'my_package\.module:Thing'$"):
        find_model({"name": name}, "here")
