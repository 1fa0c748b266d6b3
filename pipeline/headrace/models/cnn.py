"""Convolutional networks for images: from float32 `[batch, channel, height, width]` to `[batch, outputs]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from headrace.contracts import ModalityName
from headrace.errors import ConfigError
from headrace.models.mlp import make_dense_layers
from headrace.models.options import ActivationName, ActivationOptions, DropoutRate, TtaOptions, Width

if TYPE_CHECKING:
    from torch import nn

MONOTONIC: tuple[ActivationName, ...] = ("relu", "tanh", "sigmoid")
"""Non-decreasing activations: they commute with max-pooling."""


class Cnn(ActivationOptions, TtaOptions):
    """3x3 convolutions, max-pooling and dense layers: a small, fast network as in most tutorials.

    If pooling follows a convolution, batch norm and its activation come after the pooling, at a quarter of the cost.
    Without batch norm, only a non-decreasing activation (relu, tanh, sigmoid) does, with bitwise equal outputs.
    """

    modalities: ClassVar[tuple[ModalityName, ...]] = ("image",)

    blocks: list[Width | Literal["pool"]] = [32, "pool", 64, "pool"]
    """In order: channels of a convolution with its activation, or "pool" for 2x2 max-pooling."""
    padding: Literal["valid", "same"] = "valid"
    """Whether a convolution crops one pixel at each edge (valid), or is zero-padded and preserves the size (same)."""
    batch_norm: bool = False
    """Whether to add batch norm (Ioffe and Szegedy 2015) before each convolution's activation and after any pooling.

    Its statistics are those of one worker's batch, so the weights depend on the number of workers.
    """
    dense: list[Width] = [64]
    """Widths of the hidden dense layers, each followed by the activation."""
    dropout: DropoutRate = 0.0
    """Fraction of features dropped before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network; raises ConfigError if the image is too small for the blocks."""
        from torch import nn

        (height, width), channels = self._output_size(input_shape), input_shape[2]
        layers: list[nn.Module] = []
        deferred: list[nn.Module] = []  # norm and activation of the last convolution
        for block in self.blocks:
            if block == "pool":
                layers += [nn.MaxPool2d(2), *deferred]
                deferred = []
                continue
            layers += deferred
            convolution, *deferred = self._convolution(channels, block)
            layers.append(convolution)
            channels = block
            if not (self.batch_norm or self.activation in MONOTONIC):
                layers, deferred = layers + deferred, []
        layers += deferred
        head = make_dense_layers(
            channels * height * width,
            self.dense,
            dropout=self.dropout,
            num_outputs=num_outputs,
            activation=self.activation,
        )
        return self.with_tta(self.initialize(nn.Sequential(*layers, nn.Flatten(), *head)))

    def _convolution(self, num_inputs: int, num_outputs: int) -> list[nn.Module]:
        from torch import nn

        from headrace.models.activation import make_activation

        # batch norm subtracts the mean, and with it any bias
        convolution = nn.Conv2d(
            num_inputs, num_outputs, kernel_size=3, padding=int(self.padding == "same"), bias=not self.batch_norm
        )
        norm = [nn.BatchNorm2d(num_outputs)] if self.batch_norm else []
        return [convolution, *norm, make_activation(self.activation)]

    def _output_size(self, input_shape: list[int]) -> tuple[int, int]:
        """Height and width after the blocks."""
        height, width = input_shape[:2]
        cropped = 2 if self.padding == "valid" else 0
        for block, following in zip(self.blocks, [*self.blocks[1:], 0], strict=True):
            height, width = (height // 2, width // 2) if block == "pool" else (height - cropped, width - cropped)
            # in training, batch norm fails on a single value per channel, such as one pixel of a batch of one row
            norm_size = (height // 2, width // 2) if following == "pool" else (height, width)
            is_one_value = self.batch_norm and block != "pool" and norm_size == (1, 1)
            if min(height, width) < 1 or is_one_value:
                remainder = "a single pixel for batch norm" if is_one_value else "nothing"
                raise ConfigError(
                    f"params.yaml: train.model.blocks: {self.blocks} leaves {remainder} of an image "
                    f"{min(input_shape[:2])} pixels wide; use fewer blocks, or a larger normalize.image_size"
                )
        return height, width


class ResNet(ActivationOptions, TtaOptions):
    """A narrow residual network for small images (He et al. 2016), with global average pooling and one dense layer."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("image",)

    width: Width = 16
    """Channels of the first stage, doubled by each later stage; multiples of 16 are fastest on CPUs."""
    num_stages: Width = 3
    """Number of stages; each but the first halves height and width."""
    depth: Width = 2
    """Blocks of two 3x3 convolutions per stage."""
    stem_stride: Literal[1, 2] = 1
    """With 2, the first convolution halves height and width, at a quarter of the cost."""
    pre_activation: bool = True
    """Whether norm and activation precede each convolution (He et al. 2016b), or follow it and the sum (2016a)."""
    norm: Literal["batch", "group"] = "batch"
    """Batch norm (Ioffe and Szegedy 2015) over one worker's batch, or group norm (Wu and He 2018) within each row.

    With batch norm, the weights depend on the number of workers.
    """
    dropout: DropoutRate = 0.0
    """Fraction of the pooled features dropped before the dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network; raises ConfigError if the image is too small for the stages."""
        from headrace.models.residual import BlockStyle, build_residual_network

        size, num_halvings = input_shape[:2], self.num_stages - 1 + self.stem_stride - 1
        if max(size) <= 2**num_halvings:  # in training, batch norm fails on one pixel of a batch of one row
            raise ConfigError(
                f"params.yaml: train.model.num_stages: {num_halvings} halvings leave one pixel of an image of {size}; "
                f"use fewer stages, or a larger normalize.image_size"
            )
        widths = [self.width * 2**stage for stage in range(self.num_stages) for _ in range(self.depth)]
        network = build_residual_network(
            input_shape[2],
            widths,
            style=BlockStyle(self.activation, self.norm, is_pre_activation=self.pre_activation),
            stem_stride=self.stem_stride,
            dropout=self.dropout,
            num_outputs=num_outputs,
        )
        return self.with_tta(self.initialize(network))
