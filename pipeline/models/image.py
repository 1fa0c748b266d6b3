"""Networks for images: from float32 `[batch, channel, height, width]` to `[batch, outputs]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from pipeline.config import Section
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

Width = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Cnn(Section):
    """Convolutions 3x3 (unpadded) with ReLU, max-pooling, dense layers: the networks of systems 000, 001 and 003."""

    blocks: list[Width | Literal["pool"]] = [32, "pool", 64, "pool"]
    """Channels of a convolution with ReLU, or "pool" for a 2x2 max-pooling, in order."""
    dense: list[Width] = [64]
    """Widths of the dense layers with ReLU before the last one."""
    dropout: Share = 0.0
    """Share of the features dropped before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network; raises ConfigError when the image is too small for the blocks."""
        from torch import nn

        side, channels = min(input_shape[:2]), input_shape[2]
        height, width = input_shape[:2]
        layers: list[nn.Module] = []
        for block in self.blocks:
            if block == "pool":
                layers.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
            else:
                layers += [nn.Conv2d(channels, block, kernel_size=3), nn.ReLU()]
                channels, height, width = block, height - 2, width - 2
            if min(height, width) < 1:
                raise ConfigError(
                    f"params.yaml: train.model.blocks: {self.blocks} leave nothing of an image {side} pixels wide; "
                    f"use fewer blocks, or a larger normalize.image_size"
                )
        head = dense_layers(channels * height * width, self.dense, dropout=self.dropout, num_outputs=num_outputs)
        return nn.Sequential(*layers, nn.Flatten(), *head)


class Mlp(Section):
    """Dense layers with ReLU on the flattened image: the least that learns more than a line."""

    dense: list[Width] = [128]
    """Widths of the hidden layers."""
    dropout: Share = 0.0
    """Share of the features dropped before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network."""
        from math import prod

        from torch import nn

        layers = dense_layers(prod(input_shape), self.dense, dropout=self.dropout, num_outputs=num_outputs)
        return nn.Sequential(nn.Flatten(), *layers)


def dense_layers(num_inputs: int, widths: list[int], *, dropout: float, num_outputs: int) -> list[nn.Module]:
    """Dense layers with ReLU (and dropout before each), then a linear one to the outputs."""
    from torch import nn

    layers: list[nn.Module] = []
    for width in widths:
        layers += [*([nn.Dropout(dropout)] if dropout else []), nn.Linear(num_inputs, width), nn.ReLU()]
        num_inputs = width
    return [*layers, nn.Linear(num_inputs, num_outputs)]
