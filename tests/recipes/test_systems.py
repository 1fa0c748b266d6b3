"""Recipes of the numbered systems: layers, sizes and training settings, as in the original programs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML
from torch import Tensor, nn

from headrace.contracts import Json
from headrace.models import find_model
from headrace.models.attention import attention_maps

FOLDER = Path(__file__).resolve().parents[2] / "recipes"


def settings_of(recipe: str) -> Json:
    settings: Json = YAML(typ="safe").load(FOLDER / f"{recipe}.yaml")
    return settings


def network_of(recipe: str, input_shape: list[int], num_outputs: int) -> nn.Module:
    model = find_model(settings_of(recipe)["train"]["model"], "params.yaml: train.model")
    return model.build(input_shape, num_outputs).eval()


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def layer_shapes(network: nn.Module, inputs: Tensor) -> list[tuple[str, list[int]]]:
    """Name and output shape (without the batch) of each layer with weights, pooling or flattening, in order."""
    kinds = (nn.Conv2d, nn.MaxPool2d, nn.Flatten, nn.Linear, nn.Embedding, nn.RNNBase)
    shapes: list[tuple[str, list[int]]] = []

    def record(layer: nn.Module, _: Any, outputs: Any) -> None:
        tensor = outputs[0] if isinstance(layer, nn.RNNBase) else outputs
        shapes.append((type(layer).__name__, list(tensor.shape[1:])))

    hooks = [layer.register_forward_hook(record) for layer in network.modules() if isinstance(layer, kinds)]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    return shapes


def test_system_000_layers() -> None:
    # a 3x3 convolution without padding reduces each side by 2; pooling halves it, rounded down
    network = network_of("mnist-cnn", [28, 28, 1], 10)
    assert layer_shapes(network, torch.zeros(2, 1, 28, 28)) == [
        ("Conv2d", [32, 26, 26]),
        ("MaxPool2d", [32, 13, 13]),
        ("Conv2d", [64, 11, 11]),
        ("MaxPool2d", [64, 5, 5]),
        ("Flatten", [1600]),
        ("Linear", [64]),
        ("Linear", [10]),
    ]
    # 3*3*1*32 + 32 = 320; 3*3*32*64 + 64 = 18,496; 5*5*64 * 64 + 64 = 102,464; 64*10 + 10 = 650
    assert num_parameters(network) == 320 + 18_496 + 102_464 + 650 == 121_930


def test_system_001_layers() -> None:
    network = network_of("mnist-cnn-deep", [28, 28, 1], 10)
    assert layer_shapes(network, torch.zeros(2, 1, 28, 28)) == [
        ("Conv2d", [32, 26, 26]),
        ("MaxPool2d", [32, 13, 13]),
        ("Conv2d", [64, 11, 11]),
        ("MaxPool2d", [64, 5, 5]),
        ("Conv2d", [64, 3, 3]),
        ("Flatten", [576]),
        ("Linear", [64]),
        ("Linear", [10]),
    ]
    # 000's convolutions; 3*3*64*64 + 64 = 36,928; 3*3*64 * 64 + 64 = 36,928; 650
    assert num_parameters(network) == 320 + 18_496 + 36_928 + 36_928 + 650 == 93_322


def test_system_003_layers() -> None:
    network = network_of("cifar10-cnn", [32, 32, 3], 10)
    assert layer_shapes(network, torch.zeros(2, 3, 32, 32)) == [
        ("Conv2d", [32, 30, 30]),
        ("MaxPool2d", [32, 15, 15]),
        ("Conv2d", [64, 13, 13]),
        ("MaxPool2d", [64, 6, 6]),
        ("Conv2d", [64, 4, 4]),
        ("Flatten", [1024]),
        ("Linear", [64]),
        ("Linear", [10]),
    ]
    # 3*3*3*32 + 32 = 896; 18,496; 36,928; 4*4*64 * 64 + 64 = 65,600; 650
    assert num_parameters(network) == 896 + 18_496 + 36_928 + 65_600 + 650 == 122_570


@pytest.mark.parametrize("recipe", ["mnist-cnn", "mnist-cnn-deep", "cifar10-cnn"])
def test_convolutional_systems_have_a_relu_after_all_layers_but_the_last(recipe: str) -> None:
    side, channels = (32, 3) if recipe.startswith("cifar") else (28, 1)
    layers = [type(layer) for layer in network_of(recipe, [side, side, channels], 10).modules()][1:]
    unpooled = [layer for layer in layers if layer is not nn.MaxPool2d]  # it commutes with ReLU
    weighted = [index for index, layer in enumerate(unpooled) if layer in {nn.Conv2d, nn.Linear}]
    assert all(unpooled[index + 1] is nn.ReLU for index in weighted[:-1])
    assert weighted[-1] == len(unpooled) - 1  # the softmax is in the loss


# weights of a state of 8 and 8 inputs: W (8x8), U (8x8) and torch's two biases (8 + 8) for each gate
CELLS = {"rnn": (nn.RNN, 1), "lstm": (nn.LSTM, 4), "gru": (nn.GRU, 3)}


@pytest.mark.parametrize("cell", CELLS)
def test_system_002d_sizes(cell: str) -> None:
    kind, num_gates = CELLS[cell]
    network = network_of(f"text-{cell}", [12, 10], 2)  # at most 12 tokens, a vocabulary of 10
    assert layer_shapes(network, torch.tensor([[3, 1, 9, 0, 0]])) == [
        ("Embedding", [5, 8]),
        (kind.__name__, [5, 8]),
        ("Linear", [2]),
    ]
    # Embedding 10*8 = 80; a gate 64 + 64 + 16 = 144; the head 8*2 + 2 = 18
    assert num_parameters(network) == 80 + 144 * num_gates + 18
    assert [layer.bidirectional for layer in network.modules() if isinstance(layer, nn.RNNBase)] == [False]


def test_system_002d_matches_the_elman_formula() -> None:
    network = network_of("text-rnn", [12, 10], 2)
    (cell,) = (layer for layer in network.modules() if isinstance(layer, nn.RNN))
    embedded = torch.randn(1, 4, 8, generator=torch.Generator().manual_seed(0))
    state, states = torch.zeros(8), []
    for token in embedded[0]:  # Elman: h = tanh(W x + b + U h + c)
        state = torch.tanh(cell.weight_ih_l0 @ token + cell.bias_ih_l0 + cell.weight_hh_l0 @ state + cell.bias_hh_l0)
        states.append(state)
    assert torch.allclose(cell(embedded)[0][0], torch.stack(states), atol=1e-6)


def test_system_004_sizes() -> None:
    network = network_of("table-mlp", [100], 10)
    assert [size for name, size in layer_shapes(network, torch.zeros(2, 100)) if name == "Linear"] == [[64], [10]]
    assert num_parameters(network) == (100 * 64 + 64) + (64 * 10 + 10) == 7_114


def test_system_002a_has_one_matrix() -> None:
    network = network_of("linear-gd", [10], 1)
    assert {name: list(weight.shape) for name, weight in network.named_parameters()} == {
        "1.weight": [1, 10]  # theta
    }


# optimizer, epochs, batch size (None: not specified)
TRAINING = {
    "mnist-cnn": ("adam", 10, 32),
    "mnist-cnn-deep": ("adam", 5, 64),
    "cifar10-cnn": ("adam", 10, 32),
    "table-mlp": ("adam", 10, None),
}


@pytest.mark.parametrize("recipe", TRAINING)
def test_training_settings_match_the_original_programs(recipe: str) -> None:
    train, (optimizer, max_epochs, batch_size) = settings_of(recipe)["train"], TRAINING[recipe]
    assert (train["optimizer"], train["max_epochs"]) == (optimizer, max_epochs)
    assert train["batch_size"] == batch_size or batch_size is None
    assert (train["learning_rate"], train["schedule"]) == (1e-3, "constant")
    assert train["early_stopping"]["patience"] == 0
    assert not {"augmentation", "label_smoothing", "weight_decay", "gradient_clip"} & set(train)


def test_linear_gd_uses_a_fixed_number_of_full_batches() -> None:
    train = settings_of("linear-gd")["train"]
    assert train["optimizer"] == "gd"
    assert train["batch_size"] >= 442  # rows
    assert train["early_stopping"]["patience"] == 0
    assert (train["schedule"], train["keep"]) == ("constant", "last")


def test_text_attention_ignores_padding() -> None:
    network = network_of("text-attention", [12, 30], 2)
    with torch.no_grad():
        unpadded = network(torch.tensor([[3, 1, 9]]))
        padded = network(torch.tensor([[3, 1, 9, 0, 0, 0]]))
    assert torch.allclose(unpadded, padded, atol=1e-6)


def test_patch_attention_weights_of_64_patches_sum_to_1() -> None:
    network = network_of("patch-attention", [32, 32, 3], 10)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    maps = attention_maps(network, images)
    assert maps.shape[0] == 2
    assert maps.shape[-3:] == (4, 64, 64)  # heads, and 32 / 4 patches per side
    assert torch.allclose(maps.sum(dim=-1), torch.ones(maps.shape[:-1]), atol=1e-5)
    assert maps.min() >= 0
    with torch.no_grad():
        assert network(images).shape == (2, 10)


def test_text_attention_weights_of_tokens_sum_to_1() -> None:
    maps = attention_maps(network_of("text-attention", [12, 30], 2), torch.tensor([[3, 1, 9, 0, 0]]))
    assert maps.shape[-3:] == (4, 5, 5)
    assert torch.allclose(maps.sum(dim=-1), torch.ones(maps.shape[:-1]), atol=1e-5)
    assert maps[..., 3:].abs().max() == 0  # padding
