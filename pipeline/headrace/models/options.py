"""Options that several networks share; their values are made in activation.py, initial.py and attention.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from headrace.config import Section

if TYPE_CHECKING:
    from torch import nn

ActivationName: TypeAlias = Literal["relu", "tanh", "sigmoid", "gelu", "silu"]
InitName: TypeAlias = Literal["default", "kaiming", "xavier", "keras"]
Width = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Initialised(Section):
    """A network whose first weights can be chosen."""

    init: InitName = "default"
    """First weights: torch's own, He's (kaiming), Glorot's (xavier), or those of a Keras program; see initial.py."""


class Activated(Initialised):
    """A network whose activation can be chosen."""

    activation: ActivationName = "relu"
    """Function behind each layer but the last: ReLU, tanh, the logistic sigmoid, GELU or SiLU."""


class Viewable(Section):
    """A network for images that mean the same when they are mirrored, or moved a little.

    Training, and its own validation, are as without these options; `train.augmentation` shows the network such images.
    """

    mirror: bool = False
    """Whether a prediction is the mean of those for the image and for its mirror image, at twice the cost."""
    shift: Annotated[int, Field(ge=0)] = 0
    """Pixels by which two copies are moved, along a diagonal; a prediction is their mean with the image's, which counts
    twice, at three times the cost. 0: none."""

    def viewed(self, network: nn.Module) -> nn.Module:
        """The network, or what asks it for each copy."""
        if not (self.mirror or self.shift):
            return network
        from headrace.models.tta import TestTimeAugmentation

        return TestTimeAugmentation(network, mirror=self.mirror, shift=self.shift)


class EncoderOptions(Initialised):
    """Transformer blocks: attention, then dense layers."""

    num_heads: Width = 4
    """Heads of the attention; they divide the width."""
    width: Annotated[Width, Field(validate_default=True)] = 64
    """Features of a token, between the blocks."""
    hidden: Width = 128
    """Features inside a block's dense layers."""
    num_blocks: Width = 2
    """Blocks of attention and dense layers."""
    activation: ActivationName = "gelu"
    """Function inside a block's dense layers: ReLU, tanh, the logistic sigmoid, GELU or SiLU."""

    @field_validator("width")
    @classmethod
    def _heads_divide_width(cls, width: int, info: ValidationInfo) -> int:
        num_heads = info.data.get("num_heads")  # None: it has a mistake of its own
        if num_heads and width % num_heads:
            raise ValueError(f"{num_heads} heads cannot share {width} features evenly; use a multiple of {num_heads}")
        return width

    def encoder_blocks(self, dropout: float) -> list[nn.Module]:
        """`num_blocks` EncoderBlocks with fresh weights."""
        from headrace.models.attention import EncoderBlock

        return [
            EncoderBlock(self.width, self.num_heads, hidden=self.hidden, dropout=dropout, activation=self.activation)
            for _ in range(self.num_blocks)
        ]
