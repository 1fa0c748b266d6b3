"""Networks for tables: from float32 `[batch, features]` to `[batch, outputs]`; see dense.py for the plainer ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from headrace.contracts import ModalityName
from headrace.models.options import Activated, EncoderOptions, Share, Width

if TYPE_CHECKING:
    from torch import nn


class ResMlp(Activated):
    """Residual dense blocks (Gorishniy et al. 2021, Revisiting Deep Learning Models for Tabular Data: ResNet)."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("table",)

    width: Width = 128
    """Features between the blocks."""
    hidden: Width = 256
    """Features inside a block."""
    num_blocks: Width = 2
    """Blocks, one after another."""
    dropout: Share = 0.1
    """Share of the features dropped inside each block, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network; layer norm stands where the paper has batch norm, so that no row depends on others."""
        from torch import nn

        from headrace.models.activation import activation_of
        from headrace.models.initialization import initialised
        from headrace.models.layers import Residual

        blocks = [
            Residual(
                nn.LayerNorm(self.width),
                nn.Linear(self.width, self.hidden),
                activation_of(self.activation),
                nn.Dropout(self.dropout),
                nn.Linear(self.hidden, self.width),
            )
            for _ in range(self.num_blocks)
        ]
        head = [nn.LayerNorm(self.width), activation_of(self.activation), nn.Linear(self.width, num_outputs)]
        return initialised(nn.Sequential(nn.Linear(input_shape[0], self.width), *blocks, *head), self.init)


class TableTransformer(EncoderOptions):
    """Columns that attend to each other (Gorishniy et al. 2021: FT-Transformer); time grows with columns squared."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("table",)

    dropout: Share = 0.1
    """Share of the features dropped inside each block, in training."""

    def build(self, input_shape: list[int], num_outputs: int, *, layout: list[int] | None = None) -> nn.Module:
        """Builds the network: tokens of columns, a class token, encoder blocks, and norm, ReLU, linear on the latter.

        `layout`: see Model; None: each feature is a column. The dense blocks have a plain activation where the paper
        has ReGLU.
        """
        from torch import nn

        from headrace.models.initialization import initialised
        from headrace.models.tokens import Columns, TokenEncoder

        columns = Columns(list(range(input_shape[0])) if layout is None else layout, self.width)
        head = nn.Sequential(nn.ReLU(), nn.Linear(self.width, num_outputs))
        encoder = TokenEncoder(self.width, self.encoder_blocks(self.dropout), head, has_class_token=True)
        return initialised(nn.Sequential(columns, encoder), self.init)
