from pathlib import Path

import pytest
import torch

from headrace.contracts import ModalityName
from headrace.errors import ConfigError
from headrace.models import find_model, find_text_encoder


def test_find_model_suggests_a_similar_name() -> None:
    with pytest.raises(ConfigError) as caught:
        find_model({"name": "cn"}, "params.yaml: train.model")
    assert str(caught.value) == (
        "params.yaml: train.model.name: 'cn' is not a model; choose one of ['cnn', 'linear', 'mlp', 'resmlp', "
        "'resnet', 'rnn', 'table_transformer', 'text_mean', 'transformer', 'vit'] (did you mean 'cnn'?), or name a "
        "class of your own: my_package.module:Thing"
    )


@pytest.mark.parametrize(
    ("name", "modality", "allowed"),
    [
        ("cnn", "text", "['rnn', 'text_mean', 'transformer']"),
        ("rnn", "table", "['linear', 'mlp', 'resmlp', 'table_transformer']"),
        ("resmlp", "image", "['cnn', 'linear', 'mlp', 'resnet', 'vit']"),
    ],
)
def test_find_model_of_another_modality_raises(name: str, modality: ModalityName, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_model({"name": name}, "params.yaml: train.model", modality)
    assert str(caught.value) == (
        f"params.yaml: train.model.name: {name!r} is not a model for {modality} data; choose one of {allowed}, "
        "or name a class of your own: my_package.module:Thing"
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
    """A module outside the package headrace."""
    package = f"outside_{tmp_path.name.replace('-', '_')}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    (tmp_path / package / "networks.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    return f"{package}.networks"


@pytest.mark.parametrize("options", [{}, {"bias": False}])
def test_find_model_imports_a_section(package: str, options: dict[str, object]) -> None:
    network = find_model({"name": f"{package}:Line", **options}, "here").build([16, 20, 3], 4)
    assert network(torch.zeros(2, 3, 16, 20)).shape == (2, 4)


def test_find_model_imports_any_class_with_build(package: str) -> None:
    model = find_model({"name": f"{package}:Plain", "width": 7}, "here")
    assert model.width == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("attribute", "options", "message"),
    [
        ("Lien", {}, "here.name: cannot import '{}:Lien' (module '{}' has no attribute 'Lien'); "
         "write 'my_package.module:Thing', a class with build(input_shape, num_outputs) in the project's folder"),
        ("Nothing", {}, "here.name: '{}:Nothing' has no method build(input_shape, num_outputs); add it"),
        ("Line", {"bais": True}, "here.bais: unknown key; choose one of ['bias'] (did you mean 'bias'?)"),
        ("Plain", {"width": 0}, "here: {}:Plain does not accept these options: width 0 is too narrow"),
        ("Plain", {"depth": 1}, "here: {}:Plain does not accept these options: "
         "Plain.__init__() got an unexpected keyword argument 'depth'"),
    ],
)  # fmt: skip
def test_find_model_reports_errors_of_an_imported_class(
    package: str, attribute: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        find_model({"name": f"{package}:{attribute}", **options}, "here")
    assert str(caught.value) == message.replace("{}", package)


@pytest.mark.parametrize("name", ["no_such_package:Thing", "headrace.no_such:Thing", ":Thing", ".here:Thing", "json:"])
def test_find_model_of_an_invalid_path_raises(name: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^here\.name: cannot import '.*' \(.*\); write 'my_package\.module:Thing', a class"
    ):
        find_model({"name": name}, "here")


def test_find_model_checks_the_encoder_of_texts() -> None:
    where = "params.yaml: train.model"
    find_model({"name": "mlp", "text_encoder": {"name": "transformer", "width": 32}}, where, "table")
    for encoder, error in (
        ("cnn", "train.model.text_encoder.name: got 'cnn'; choose one of ['rnn', 'text_mean', 'transformer']"),
        ({"name": "rnn", "wide": 3}, "train.model.text_encoder.wide: "),
    ):
        with pytest.raises(ConfigError) as caught:
            find_model({"name": "mlp", "text_encoder": encoder}, where)
        assert error in str(caught.value)
    with pytest.raises(ConfigError, match=r"train.model.text_encoder: 'rnn' is not a model for tables; remove it"):
        find_model({"name": "rnn", "text_encoder": "rnn"}, where)


def test_find_text_encoder_has_a_default() -> None:
    assert find_text_encoder({"name": "mlp"}, "x") == find_model({"name": "text_mean", "dense": []}, "x")
    assert find_text_encoder({"text_encoder": "rnn"}, "x") == find_model({"name": "rnn"}, "x")
