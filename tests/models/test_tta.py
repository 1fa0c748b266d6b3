from pathlib import Path

import numpy as np
import pytest
import torch

from headrace.contracts import Json, Spec
from headrace.models import MODELS as ALL_MODELS
from headrace.models import models_for
from headrace.models.network import build_network
from headrace.models.options import TtaOptions
from headrace.models.tta import disable_test_time_augmentation, remove_test_time_augmentation
from headrace.quantization.onnx_export import export_graph, max_output_difference
from headrace.storage.onnx_model import OnnxModel

SHAPE = [16, 12, 3]
TRANSFORM = {"input_shape": SHAPE, "mean": [0.4] * 3, "std": [0.2] * 3, "resize": "pad"}
SPEC = Spec(
    modality="image", task="classification", source="x", format="folder", num_rows=9, classes=["a", "b"],
    input_shape=SHAPE,
)  # fmt: skip
MODELS: dict[str, Json] = {"cnn": {"batch_norm": True}, "resnet": {}, "vit": {}}
models = pytest.mark.parametrize("name", MODELS)


def network_of(name: str, **views: bool | int) -> torch.nn.Sequential:
    torch.manual_seed(0)
    return build_network({"name": name, **views, **MODELS[name]}, SPEC, TRANSFORM)


def images(num_rows: int = 6) -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (num_rows, *SHAPE), dtype=np.uint8)
    return torch.from_numpy(pixels)


@models
def test_mirror_averages_the_image_and_its_mirror_image(name: str) -> None:
    network, plain = network_of(name, mirror=True).eval(), network_of(name).eval()
    original, mirrored = images(), images().flip(2)
    with torch.inference_mode():
        mean = (plain(original) + plain(mirrored)) / 2
        torch.testing.assert_close(network(original), mean)
        torch.testing.assert_close(network(mirrored), mean)
        assert not torch.allclose(plain(original), plain(mirrored), atol=1e-3)


@models
def test_shifted_copies_together_weigh_a_half(name: str) -> None:
    network, plain = network_of(name, shift=2).eval(), network_of(name).eval()
    original = images()
    padded = np.pad(original.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), "edge")
    up, down = (torch.from_numpy(padded[:, start : start + 16, start : start + 12].copy()) for start in (4, 0))
    with torch.inference_mode():
        torch.testing.assert_close(network(original), plain(original) / 2 + plain(up) / 4 + plain(down) / 4)
        both = network_of(name, shift=2, mirror=True).eval()
        mirrored = plain(original.flip(2)) / 2 + plain(up.flip(2)) / 4 + plain(down.flip(2)) / 4
        torch.testing.assert_close(both(original), (network(original) + mirrored) / 2)


@models
def test_tta_does_not_change_training(name: str) -> None:
    results = []
    for mirror in (True, False):
        network = network_of(name, mirror=mirror, shift=int(mirror)).train()
        outputs = network(images())
        outputs.square().sum().backward()
        results.append([outputs, *(parameter.grad for parameter in network.parameters())])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*results, strict=True))


@models
def test_exported_graph_includes_tta(name: str, tmp_path: Path) -> None:
    network = network_of(name, mirror=True, shift=1)
    export_graph(network, tmp_path / "model.onnx", input_shape=SHAPE)
    graph = OnnxModel(tmp_path / "model.onnx", num_threads=1)
    assert max_output_difference(network, graph, images().numpy()) < 1e-4


def test_disable_test_time_augmentation_uses_the_plain_network() -> None:
    network, plain = network_of("cnn", mirror=True, shift=1).eval(), network_of("cnn").eval()
    assert not torch.equal(network(images()), plain(images()))
    disable_test_time_augmentation(network)
    assert torch.equal(network(images()), plain(images()))


def test_tta_is_an_option_of_all_image_networks_but_dense_ones() -> None:
    with_option = {name for name in models_for("image") if issubclass(ALL_MODELS[name], TtaOptions)}
    assert with_option == set(MODELS) == set(models_for("image")) - {"linear", "mlp"}


@models
def test_network_without_views_is_the_plain_one(name: str) -> None:
    network, plain = network_of(name, mirror=True).eval(), network_of(name).eval()
    removed = remove_test_time_augmentation(network)
    assert not removed.training
    with torch.inference_mode():
        torch.testing.assert_close(removed(images()), plain(images()))
        torch.testing.assert_close(remove_test_time_augmentation(plain)(images()), plain(images()))
