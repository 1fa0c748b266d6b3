"""Convolutional networks for images: from float32 `[batch, channel, height, width]` to `[batch, outputs]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from headrace.contracts import ModalityName
from headrace.errors import ConfigError
from headrace.models.mlp import dense_layers
from headrace.models.options import Activated, ActivationName, Share, Viewable, Width

if TYPE_CHECKING:
    from torch import nn


RISING: tuple[ActivationName, ...] = ("relu", "tanh", "sigmoid")
"""Activations that never fall: the largest of four values is the same before and after them."""


class Cnn(Activated, Viewable):
    """Convolutions 3x3, max-pooling, dense layers: the network that tutorials begin with, small and fast.

    Where pooling follows a convolution, its norm and activation come behind the pooling, at a quarter of the work; of
    an activation that never falls (relu, tanh, sigmoid) the outputs are the same to the last bit.
    """

    modalities: ClassVar[tuple[ModalityName, ...]] = ("image",)

    blocks: list[Width | Literal["pool"]] = [32, "pool", 64, "pool"]
    """Channels of a convolution with its activation, or "pool" for a 2x2 max-pooling, in order."""
    padding: Literal["valid", "same"] = "valid"
    """Whether a convolution takes a pixel off each side (valid), or is padded with zeros and keeps the size (same)."""
    batch_norm: bool = False
    """Whether batch norm (Ioffe and Szegedy 2015) stands before each convolution's activation, behind a pooling.

    It goes by the rows of one worker's batch: the weights then depend on the number of workers.
    """
    dense: list[Width] = [64]
    """Widths of the dense layers, each with its activation, before the last one."""
    dropout: Share = 0.0
    """Share of the features dropped before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network; raises ConfigError when the image is too small for the blocks."""
        from torch import nn

        from headrace.models.initialization import initialised

        (height, width), channels = self._sides(input_shape), input_shape[2]
        layers: list[nn.Module] = []
        behind: list[nn.Module] = []
        for block in self.blocks:
            if block == "pool":
                layers += [nn.MaxPool2d(2), *behind]
                behind = []
                continue
            layers += behind
            convolution, *behind = self._convolution(channels, block)
            layers.append(convolution)
            channels = block
            if not (self.batch_norm or self.activation in RISING):
                layers, behind = layers + behind, []
        layers += behind
        head = dense_layers(
            channels * height * width,
            self.dense,
            dropout=self.dropout,
            num_outputs=num_outputs,
            activation=self.activation,
        )
        return self.viewed(initialised(nn.Sequential(*layers, nn.Flatten(), *head), self.init))

    def _convolution(self, num_inputs: int, num_outputs: int) -> list[nn.Module]:
        from torch import nn

        from headrace.models.activation import activation_of

        # batch norm takes off the mean, and with it any bias
        convolution = nn.Conv2d(
            num_inputs, num_outputs, kernel_size=3, padding=int(self.padding == "same"), bias=not self.batch_norm
        )
        norm = [nn.BatchNorm2d(num_outputs)] if self.batch_norm else []
        return [convolution, *norm, activation_of(self.activation)]

    def _sides(self, input_shape: list[int]) -> tuple[int, int]:
        """Height and width behind the blocks."""
        height, width = input_shape[:2]
        lost = 2 if self.padding == "valid" else 0
        for block, following in zip(self.blocks, [*self.blocks[1:], 0], strict=True):
            height, width = (height // 2, width // 2) if block == "pool" else (height - lost, width - lost)
            # batch norm takes no single value a channel, as of a worker's last row
            normed = (height // 2, width // 2) if following == "pool" else (height, width)
            is_one_value = self.batch_norm and block != "pool" and normed == (1, 1)
            if min(height, width) < 1 or is_one_value:
                left = "batch norm one pixel" if is_one_value else "nothing"
                raise ConfigError(
                    f"params.yaml: train.model.blocks: {self.blocks} leave {left} of an image "
                    f"{min(input_shape[:2])} pixels wide; use fewer blocks, or a larger normalize.image_size"
                )
        return height, width


class ResNet(Activated, Viewable):
    """A narrow residual network for small images (He et al. 2016), global average pooling, one dense layer."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("image",)

    width: Width = 16
    """Channels of the first stage, doubled by each further one; multiples of 16 are fastest on CPUs."""
    num_stages: Width = 3
    """Stages; each but the first halves height and width."""
    depth: Width = 2
    """Blocks of two 3x3 convolutions in each stage."""
    stem_stride: Literal[1, 2] = 1
    """2: the first convolution halves height and width already, for a quarter of the work."""
    pre_activation: bool = True
    """Whether norm and activation stand before each convolution (He et al. 2016b), or behind it and the sum (2016a)."""
    norm: Literal["batch", "group"] = "batch"
    """Ioffe and Szegedy's (2015) over the rows of one worker's batch, or Wu and He's (2018) within each row.

    With batch norm the weights depend on the number of workers.
    """
    dropout: Share = 0.0
    """Share of the pooled features dropped before the dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network; raises ConfigError when the image is too small for the stages."""
        from headrace.models.initialization import initialised
        from headrace.models.residual import Style, residual_network

        sides, halvings = input_shape[:2], self.num_stages - 1 + self.stem_stride - 1
        if max(sides) <= 2**halvings:  # batch norm takes no single value a channel, as of a worker's last row
            raise ConfigError(
                f"params.yaml: train.model.num_stages: {halvings} halvings leave one pixel of an image of {sides}; "
                f"use fewer stages, or a larger normalize.image_size"
            )
        widths = [self.width * 2**stage for stage in range(self.num_stages) for _ in range(self.depth)]
        network = residual_network(
            input_shape[2],
            widths,
            style=Style(self.activation, self.norm, is_pre_activated=self.pre_activation),
            stem_stride=self.stem_stride,
            dropout=self.dropout,
            num_outputs=num_outputs,
        )
        return self.viewed(initialised(network, self.init))
