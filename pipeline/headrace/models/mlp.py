"""Dense layers: for tables (float32 `[batch, features]`), for flattened images, and on top of other networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from headrace.contracts import ModalityName
from headrace.models.options import Activated, ActivationName, Initialised, Share, Width

if TYPE_CHECKING:
    from torch import nn


class Linear(Initialised):
    """One linear layer: logistic or linear regression, what every other network has to beat."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("image", "table")

    bias: bool = True
    """Whether a constant is added to each output; without one, the outputs are X theta alone."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network."""
        from math import prod

        from torch import nn

        from headrace.models.initialization import initialised

        layer = nn.Linear(prod(input_shape), num_outputs, bias=self.bias)
        return initialised(nn.Sequential(nn.Flatten(), layer), self.init)


class Mlp(Activated):
    """Dense layers on a table's features or a flattened image: the least that learns more than a line."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("image", "table")

    dense: list[Width] = [128]
    """Widths of the hidden layers."""
    dropout: Share = 0.0
    """Share of the features dropped before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network."""
        from math import prod

        from torch import nn

        from headrace.models.initialization import initialised

        layers = dense_layers(
            prod(input_shape), self.dense, dropout=self.dropout, num_outputs=num_outputs, activation=self.activation
        )
        return initialised(nn.Sequential(nn.Flatten(), *layers), self.init)


def dense_layers(
    num_inputs: int, widths: list[int], *, dropout: float, num_outputs: int, activation: ActivationName = "relu"
) -> list[nn.Module]:
    """Dense layers with an activation (and dropout before each), then a linear one to the outputs."""
    from torch import nn

    from headrace.models.activation import activation_of

    layers: list[nn.Module] = []
    for width in widths:
        dropped = [nn.Dropout(dropout)] if dropout else []
        layers += [*dropped, nn.Linear(num_inputs, width), activation_of(activation)]
        num_inputs = width
    return [*layers, nn.Linear(num_inputs, num_outputs)]
