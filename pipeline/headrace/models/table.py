"""Networks for tables: from float32 `[batch, features]` to `[batch, outputs]`; see mlp.py for simpler ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from headrace.contracts import ModalityName
from headrace.models.options import ActivationOptions, DropoutRate, EncoderOptions, Width

if TYPE_CHECKING:
    from torch import nn


class ResMlp(ActivationOptions):
    """Residual dense blocks (Gorishniy et al. 2021, Revisiting Deep Learning Models for Tabular Data: ResNet)."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("table",)

    width: Width = 128
    """Features between the blocks."""
    hidden: Width = 256
    """Features inside a block."""
    num_blocks: Width = 2
    """Number of blocks."""
    dropout: DropoutRate = 0.1
    """Fraction of features dropped inside each block, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network, with layer norm in place of the paper's batch norm, so that rows are independent."""
        from torch import nn

        from headrace.models.activation import make_activation
        from headrace.models.layers import Residual

        blocks = [
            Residual(
                nn.LayerNorm(self.width),
                nn.Linear(self.width, self.hidden),
                make_activation(self.activation),
                nn.Dropout(self.dropout),
                nn.Linear(self.hidden, self.width),
            )
            for _ in range(self.num_blocks)
        ]
        head = [nn.LayerNorm(self.width), make_activation(self.activation), nn.Linear(self.width, num_outputs)]
        return self.initialize(nn.Sequential(nn.Linear(input_shape[0], self.width), *blocks, *head))


class TableTransformer(EncoderOptions):
    """Attention between columns (Gorishniy et al. 2021: FT-Transformer); the cost is quadratic in the columns."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("table",)

    dropout: DropoutRate = 0.1
    """Fraction of features dropped inside each block, in training."""

    def build(self, input_shape: list[int], num_outputs: int, *, layout: list[int] | None = None) -> nn.Module:
        """Builds the network: a token per column and a class token, encoder blocks, and a head on the class token.

        For `layout` see Model; None makes each feature a column. The dense blocks have a plain activation in place of
        the paper's ReGLU.
        """
        from torch import nn

        from headrace.models.tokens import ColumnEmbedding, TokenEncoder

        columns = ColumnEmbedding(list(range(input_shape[0])) if layout is None else layout, self.width)
        head = nn.Sequential(nn.ReLU(), nn.Linear(self.width, num_outputs))
        encoder = TokenEncoder(self.width, self.encoder_blocks(self.dropout), head, has_class_token=True)
        return self.initialize(nn.Sequential(columns, encoder))
