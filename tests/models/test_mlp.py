import pytest
import torch
from torch import nn

from headrace.models.mlp import Linear, Mlp, make_dense_layers


@pytest.mark.parametrize(
    ("model", "input_shape", "expected"),
    [
        (Linear(), [7], 7 * 10 + 10),
        (Linear(bias=False), [7], 7 * 10),
        (Mlp(dense=[5]), [7], 7 * 5 + 5 + 5 * 10 + 10),
        (Mlp(dense=[5]), [3, 4, 2], 24 * 5 + 5 + 5 * 10 + 10),
        (Mlp(dense=[]), [3, 4, 2], 24 * 10 + 10),
    ],
)
def test_number_of_parameters(model: Linear | Mlp, input_shape: list[int], expected: int) -> None:
    assert sum(parameter.numel() for parameter in model.build(input_shape, 10).parameters()) == expected


def test_linear_is_linear() -> None:
    network = Linear().build([4], 2)
    first, second = torch.randn(2, 3, 4)
    torch.testing.assert_close(network(first + second), network(first) + network(second) - network(torch.zeros(1, 4)))


def test_dropout_precedes_each_dense_layer_but_the_last() -> None:
    layers = make_dense_layers(9, [5, 4], dropout=0.3, num_outputs=2)
    assert [type(layer).__name__ for layer in layers] == ["Dropout", "Linear", "ReLU"] * 2 + ["Linear"]
    assert not [
        layer for layer in make_dense_layers(9, [5], dropout=0.0, num_outputs=2) if isinstance(layer, nn.Dropout)
    ]
