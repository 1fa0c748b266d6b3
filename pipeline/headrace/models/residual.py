"""Residual convolutional blocks (He et al. 2016a, Deep Residual Learning; 2016b, Identity Mappings)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn

from headrace.models.activation import make_activation
from headrace.models.options import ActivationName

CHANNELS_PER_GROUP = 8


class BlockStyle(NamedTuple):
    """Settings that all blocks of a network share."""

    activation: ActivationName
    norm: Literal["batch", "group"]
    is_pre_activation: bool

    def make_norm_and_activation(self, channels: int) -> list[nn.Module]:
        """A norm and an activation."""
        return [self.make_norm(channels), make_activation(self.activation)]

    def make_norm(self, channels: int) -> nn.Module:
        """A norm; group norm has groups of eight channels, or a single group if eight does not divide them."""
        if self.norm == "batch":
            return nn.BatchNorm2d(channels)
        return nn.GroupNorm(channels // CHANNELS_PER_GROUP if channels % CHANNELS_PER_GROUP == 0 else 1, channels)


class PreActivationBlock(nn.Module):
    """x + F(x) of 2016b, figure 4e: norm, activation, convolution, twice; a projection follows the activation."""

    def __init__(self, num_inputs: int, num_outputs: int, *, stride: int, style: BlockStyle) -> None:
        """A `stride` of 2 halves height and width."""
        super().__init__()
        self.first = nn.Sequential(*style.make_norm_and_activation(num_inputs))
        self.body = nn.Sequential(
            _convolution(num_inputs, num_outputs, stride=stride),
            *style.make_norm_and_activation(num_outputs),
            _convolution(num_outputs, num_outputs),
        )
        self.shortcut = None if num_inputs == num_outputs else _projection(num_inputs, num_outputs, stride)

    def forward(self, values: Tensor) -> Tensor:
        """`[batch, inputs, height, width]` -> `[batch, outputs, height / stride, width / stride]`, rounded up."""
        activated = self.first(values)
        outputs: Tensor = self.body(activated) + (values if self.shortcut is None else self.shortcut(activated))
        return outputs


class PostActivationBlock(nn.Module):
    """f(x + F(x)) of 2016a, figure 2: convolution, norm, activation, convolution, norm; f follows the sum."""

    def __init__(self, num_inputs: int, num_outputs: int, *, stride: int, style: BlockStyle) -> None:
        """A `stride` of 2 halves height and width."""
        super().__init__()
        self.body = nn.Sequential(
            _convolution(num_inputs, num_outputs, stride=stride),
            *style.make_norm_and_activation(num_outputs),
            _convolution(num_outputs, num_outputs),
            style.make_norm(num_outputs),
        )
        projection = [_projection(num_inputs, num_outputs, stride), style.make_norm(num_outputs)]
        self.shortcut = nn.Identity() if num_inputs == num_outputs else nn.Sequential(*projection)
        self.last = make_activation(style.activation)

    def forward(self, values: Tensor) -> Tensor:
        """`[batch, inputs, height, width]` -> `[batch, outputs, height / stride, width / stride]`, rounded up."""
        outputs: Tensor = self.last(self.body(values) + self.shortcut(values))
        return outputs


def build_residual_network(
    num_channels: int, widths: list[int], *, style: BlockStyle, stem_stride: int, dropout: float, num_outputs: int
) -> nn.Module:
    """A convolution, a block for each of `widths` (a new width halves the image), average pooling and a dense layer."""
    block = PreActivationBlock if style.is_pre_activation else PostActivationBlock
    inputs = [widths[0], *widths[:-1]]
    blocks = [
        block(before, after, stride=1 if before == after else 2, style=style)
        for before, after in zip(inputs, widths, strict=True)
    ]
    return nn.Sequential(
        _convolution(num_channels, widths[0], stride=stem_stride),
        *([] if style.is_pre_activation else style.make_norm_and_activation(widths[0])),
        *blocks,
        *(style.make_norm_and_activation(widths[-1]) if style.is_pre_activation else []),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(widths[-1], num_outputs),
    )


def _convolution(num_inputs: int, num_outputs: int, *, stride: int = 1) -> nn.Module:
    """3x3, zero-padded, without a bias, since a later norm has its own."""
    return nn.Conv2d(num_inputs, num_outputs, kernel_size=3, stride=stride, padding=1, bias=False)


def _projection(num_inputs: int, num_outputs: int, stride: int) -> nn.Module:
    """1x1: the shortcut if shapes change (2016a, option B)."""
    return nn.Conv2d(num_inputs, num_outputs, kernel_size=1, stride=stride, bias=False)
