import pytest
import torch
from torch import nn

from headrace.config import validate_section
from headrace.errors import ConfigError
from headrace.models.cnn import Cnn
from headrace.models.options import ActivationName

SYSTEM_000 = Cnn(blocks=[32, "pool", 64, "pool", 64], dense=[64])


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("model", "input_shape", "expected"),
    [
        (Cnn(), [28, 28, 1], 121_930),
        (SYSTEM_000, [28, 28, 1], 93_322),
        (SYSTEM_000, [32, 32, 3], 122_570),
    ],
)
def test_number_of_parameters(model: Cnn, input_shape: list[int], expected: int) -> None:
    assert num_parameters(model.build(input_shape, 10)) == expected


def test_dense_layer_fits_a_rectangular_image() -> None:
    network = Cnn(blocks=[4, "pool"], dense=[]).build([9, 20, 3], 2)
    assert network(torch.zeros(2, 3, 9, 20)).shape == (2, 2)
    assert num_parameters(network) == 3 * 4 * 9 + 4 + 4 * 3 * 9 * 2 + 2


@pytest.mark.parametrize(
    ("side", "blocks"), [(2, [8]), (1, ["pool"]), (9, [8, "pool", 8, "pool"]), (5, [4, 4, 4, 4, 4, 4])]
)
def test_image_that_is_too_small_raises(side: int, blocks: list[int | str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Cnn(blocks=blocks).build([40, side, 1], 10)
    assert str(caught.value) == (
        f"params.yaml: train.model.blocks: {blocks} leaves nothing of an image {side} pixels wide; use fewer blocks, "
        "or a larger normalize.image_size"
    )


def test_smallest_image_that_fits_is_accepted() -> None:
    assert Cnn(blocks=[8, "pool", 8, "pool"], dense=[]).build([10, 10, 1], 2)(torch.zeros(1, 1, 10, 10)).shape == (1, 2)


def test_padding_preserves_the_size() -> None:
    network = Cnn(blocks=[4, "pool", 6], padding="same", dense=[]).build([5, 9, 3], 2)
    assert network(torch.zeros(2, 3, 5, 9)).shape == (2, 2)
    assert num_parameters(network) == (3 * 4 * 9 + 4) + (4 * 6 * 9 + 6) + (6 * 2 * 4 * 2 + 2)
    assert Cnn(blocks=[8], padding="same", dense=[]).build([1, 1, 1], 2)(torch.zeros(1, 1, 1, 1)).shape == (1, 2)


def layer_names(network: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in network.children()]


def test_batch_norm_follows_pooling_and_precedes_activation_without_bias() -> None:
    network = Cnn(blocks=[4, "pool", 6], batch_norm=True, activation="gelu", dense=[]).build([10, 10, 1], 2)
    norm = ["BatchNorm2d", "GELU"]
    assert layer_names(network) == ["Conv2d", "MaxPool2d", *norm, "Conv2d", *norm, "Flatten", "Linear"]
    assert [layer.bias for layer in network.children() if isinstance(layer, nn.Conv2d)] == [None, None]


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_pooling_before_a_non_decreasing_activation_changes_nothing(activation: ActivationName) -> None:
    network = Cnn(blocks=[4, "pool", "pool", 6], activation=activation, dense=[]).build([16, 16, 1], 2)
    first, pool, monotonic, *rest = network.children()
    assert isinstance(pool, nn.MaxPool2d)
    other = nn.Sequential(first, monotonic, pool, *rest)
    images = torch.randn(8, 1, 16, 16)
    results = []
    for each in (network, other):
        each.zero_grad()
        outputs = each(images)
        outputs.square().sum().backward()
        results.append([outputs, *(parameter.grad for parameter in network.parameters())])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*results, strict=True))


@pytest.mark.parametrize("activation", ["gelu", "silu"])
def test_pooling_follows_an_activation_that_is_not_monotonic(activation: ActivationName) -> None:
    network = Cnn(blocks=[4, "pool"], activation=activation, dense=[]).build([8, 8, 1], 2)
    assert layer_names(network)[2] == "MaxPool2d"


def test_batch_norm_over_one_pixel_raises() -> None:
    with pytest.raises(
        ConfigError, match=r"blocks: \[8\] leaves a single pixel for batch norm of an image 3 pixels wide"
    ):
        Cnn(blocks=[8], batch_norm=True).build([3, 3, 1], 2)
    with pytest.raises(
        ConfigError, match=r"blocks: \[8, 'pool'\] leaves a single pixel for batch norm of an image 4 pixels wide"
    ):
        Cnn(blocks=[8, "pool"], batch_norm=True).build([4, 4, 1], 2)
    smallest = Cnn(blocks=[8, "pool", "pool"], batch_norm=True).build([6, 6, 1], 2)
    assert smallest(torch.zeros(1, 1, 6, 6)).shape == (1, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": [32, "poll"]}, "here.blocks.1: got 'poll'; must be a valid integer or 'pool'"),
        ({"blocks": [0]}, "here.blocks.0: got 0; must be greater than 0 or 'pool'"),
        ({"dense": [-1]}, "here.dense.0: got -1; must be greater than 0"),
        ({"dropout": 1.0}, "here.dropout: got 1.0; must be less than 1"),
        ({"dropot": 0.1}, "here.dropot: unknown key; choose one of ['activation', 'batch_norm', 'blocks', "
         "'dense', 'dropout', 'init', 'mirror', 'padding', 'shift'] (did you mean 'dropout'?)"),
    ],
)  # fmt: skip
def test_invalid_option_raises(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate_section(Cnn, options, "here")
    assert str(caught.value) == message
