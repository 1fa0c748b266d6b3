"""Options that several networks share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from headrace.config import Section

if TYPE_CHECKING:
    from torch import nn

ActivationName: TypeAlias = Literal["relu", "tanh", "sigmoid", "gelu", "silu"]
InitName: TypeAlias = Literal["default", "kaiming", "xavier", "keras"]
Width = Annotated[int, Field(gt=0)]
DropoutRate = Annotated[float, Field(ge=0, lt=1)]


class InitOptions(Section):
    """Options of a network with a choice of weight initialization."""

    init: InitName = "default"
    """Initial weights: torch's default, He's (kaiming), Glorot's (xavier), or those of Keras; see initialization.py."""

    def initialize(self, network: nn.Module) -> nn.Module:
        """Initializes the weights in place and returns the network."""
        from headrace.models.initialization import initialize_weights

        return initialize_weights(network, self.init)


class ActivationOptions(InitOptions):
    """Options of a network with a choice of activation."""

    activation: ActivationName = "relu"
    """Function after each layer but the last: ReLU, tanh, the logistic sigmoid, GELU or SiLU."""


class TtaOptions(Section):
    """Test-time augmentation, for images whose class does not change if they are mirrored or slightly shifted.

    These options do not affect training and its validation; `train.augmentation` adds such images to training.
    """

    mirror: bool = False
    """Whether to average the predictions for an image and its mirror image, at twice the cost."""
    shift: Annotated[int, Field(ge=0)] = 0
    """Pixels by which two copies of the image are shifted along a diagonal. Their predictions are averaged with that of
    the image, which counts twice, at three times the cost. 0 disables it."""

    def with_tta(self, network: nn.Module) -> nn.Module:
        """Wraps the network if an option is set."""
        if not (self.mirror or self.shift):
            return network
        from headrace.models.tta import TestTimeAugmentation

        return TestTimeAugmentation(network, mirror=self.mirror, shift=self.shift)


class EncoderOptions(InitOptions):
    """Transformer blocks: attention, then dense layers."""

    num_heads: Width = 4
    """Attention heads; a divisor of the width."""
    width: Annotated[Width, Field(validate_default=True)] = 64
    """Features per token, between the blocks."""
    hidden: Width = 128
    """Features inside the dense layers of a block."""
    num_blocks: Width = 2
    """Number of blocks of attention and dense layers."""
    activation: ActivationName = "gelu"
    """Function inside the dense layers of a block: ReLU, tanh, the logistic sigmoid, GELU or SiLU."""

    @field_validator("width")
    @classmethod
    def _heads_divide_width(cls, width: int, info: ValidationInfo) -> int:
        num_heads = info.data.get("num_heads")  # None if it is invalid itself
        if num_heads and width % num_heads:
            raise ValueError(f"{num_heads} heads cannot share {width} features evenly; use a multiple of {num_heads}")
        return width

    def encoder_blocks(self, dropout: float) -> list[nn.Module]:
        """`num_blocks` EncoderBlocks with new weights."""
        from headrace.models.attention import EncoderBlock

        return [
            EncoderBlock(self.width, self.num_heads, hidden=self.hidden, dropout=dropout, activation=self.activation)
            for _ in range(self.num_blocks)
        ]
