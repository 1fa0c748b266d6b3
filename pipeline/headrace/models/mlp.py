"""Dense networks for tables (float32 `[batch, features]`) and flattened images; dense layers for other networks."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar

from headrace.contracts import ModalityName
from headrace.models.options import ActivationName, ActivationOptions, DropoutRate, InitOptions, Width

if TYPE_CHECKING:
    from torch import nn


class Linear(InitOptions):
    """One linear layer: logistic or linear regression, the baseline of every other network."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("image", "table")

    bias: bool = True
    """Whether to add a constant to each output; without it, the outputs are X theta."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network."""
        from torch import nn

        layer = nn.Linear(prod(input_shape), num_outputs, bias=self.bias)
        return self.initialize(nn.Sequential(nn.Flatten(), layer))


class Mlp(ActivationOptions):
    """Dense layers on a table's features or a flattened image: the simplest nonlinear network."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("image", "table")

    dense: list[Width] = [128]
    """Widths of the hidden layers."""
    dropout: DropoutRate = 0.0
    """Fraction of features dropped before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network."""
        from torch import nn

        layers = make_dense_layers(
            prod(input_shape), self.dense, dropout=self.dropout, num_outputs=num_outputs, activation=self.activation
        )
        return self.initialize(nn.Sequential(nn.Flatten(), *layers))


def make_dense_layers(
    num_inputs: int, widths: list[int], *, dropout: float, num_outputs: int, activation: ActivationName = "relu"
) -> list[nn.Module]:
    """Dense layers, each with dropout before and an activation after it, and a linear output layer."""
    from torch import nn

    from headrace.models.activation import make_activation

    layers: list[nn.Module] = []
    for width in widths:
        dropout_layer = [nn.Dropout(dropout)] if dropout else []
        layers += [*dropout_layer, nn.Linear(num_inputs, width), make_activation(activation)]
        num_inputs = width
    return [*layers, nn.Linear(num_inputs, num_outputs)]
