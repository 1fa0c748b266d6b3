"""Vision transformer: from float32 `[batch, channel, height, width]` to `[batch, outputs]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from headrace.contracts import ModalityName
from headrace.errors import ConfigError
from headrace.models.options import DropoutRate, EncoderOptions, TtaOptions, Width

if TYPE_CHECKING:
    from torch import nn


class Vit(EncoderOptions, TtaOptions):
    """Vision transformer (Dosovitskiy et al. 2021): square patches as tokens, learned positions, encoder blocks."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("image",)

    patch: Width = 4
    """Side of a patch in pixels; a divisor of the image's height and width."""
    pool: Literal["mean", "class"] = "mean"
    """Input of the head: the mean over the patches (Beyer et al. 2022), or a class token."""
    dropout: DropoutRate = 0.0
    """Fraction of features dropped after the positions and inside each block, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network; raises ConfigError if the patches do not tile the image."""
        from torch import nn

        from headrace.models.tokens import PatchEmbedding, TokenEncoder

        height, width = input_shape[:2]
        if height % self.patch or width % self.patch:
            raise ConfigError(
                f"params.yaml: train.model.patch: patches of {self.patch} x {self.patch} pixels do not cover images "
                f"of {height} x {width} evenly; use a divisor of both, or another normalize.image_size"
            )
        patches = PatchEmbedding(input_shape, self.patch, self.width, dropout=self.dropout)
        blocks, head = self.encoder_blocks(self.dropout), nn.Linear(self.width, num_outputs)
        encoder = TokenEncoder(self.width, blocks, head, has_class_token=self.pool == "class")
        return self.with_tta(self.initialize(nn.Sequential(patches, encoder)))
