"""A transformer for images: from float32 `[batch, channel, height, width]` to `[batch, outputs]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from headrace.contracts import ModalityName
from headrace.errors import ConfigError
from headrace.models.options import EncoderOptions, Share, Viewable, Width

if TYPE_CHECKING:
    from torch import nn


class Vit(EncoderOptions, Viewable):
    """Vision transformer (Dosovitskiy et al. 2021): square patches as tokens, learned positions, encoder blocks."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("image",)

    patch: Width = 4
    """Pixels of a patch's side; it divides the image's height and width."""
    pool: Literal["mean", "class"] = "mean"
    """What is classified: the mean over the patches (Beyer et al. 2022), or a token that stands for the image."""
    dropout: Share = 0.0
    """Share of the features dropped behind the positions and inside each block, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network; raises ConfigError when the patches do not cover the image evenly."""
        from torch import nn

        from headrace.models.initialization import initialised
        from headrace.models.tokens import Patches, TokenEncoder

        height, width = input_shape[:2]
        if height % self.patch or width % self.patch:
            raise ConfigError(
                f"params.yaml: train.model.patch: patches of {self.patch} x {self.patch} pixels do not cover images "
                f"of {height} x {width} evenly; use a divisor of both, or another normalize.image_size"
            )
        patches = Patches(input_shape, self.patch, self.width, dropout=self.dropout)
        blocks, head = self.encoder_blocks(self.dropout), nn.Linear(self.width, num_outputs)
        encoder = TokenEncoder(self.width, blocks, head, has_class_token=self.pool == "class")
        return self.viewed(initialised(nn.Sequential(patches, encoder), self.init))
