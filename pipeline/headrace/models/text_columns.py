"""Text columns of a table: an encoder of their tokens, whose features join those of the other columns."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class EmbeddedTexts(NamedTuple):
    """Prepared rows, with texts as embeddings, where explanations start."""

    features: Tensor
    """`[batch, features]`: those of the other columns."""
    embedded: list[Tensor]
    """`[batch, tokens, width]` by text column."""
    masks: list[Tensor]
    """`[batch, tokens]` by text column: false for padding."""


class TextColumns(nn.Module):
    """Encodes the texts of a row, and passes their features beside those of its other columns to a table's model."""

    def __init__(self, encoder: nn.Module, model: nn.Module, *, num_features: int, max_tokens: list[int]) -> None:
        """Joins two networks.

        Args:
            encoder: int64 ids `[batch, tokens]` -> `[batch, width]`, shared by the text columns.
            model: `[batch, features + text columns * width]` -> `[batch, outputs]`.
            num_features: number of features of the other columns, which may be 0.
            max_tokens: number of tokens of each text column.
        """
        super().__init__()
        self.encoder, self.model = encoder, model
        self.num_features, self.max_tokens = num_features, max_tokens

    def split(self, prepared: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Prepared rows -> features, and int64 ids `[batch, tokens]` by text column."""
        texts, start = [], self.num_features
        for size in self.max_tokens:
            texts.append(prepared[:, start : start + size].to(torch.int64))
            start += size
        return prepared[:, : self.num_features], texts

    def forward(self, prepared: Tensor) -> Tensor:
        """float32 `[batch, features + tokens]`, as TablePreprocess returns them -> `[batch, outputs]`."""
        features, texts = self.split(prepared)
        return self._join(features, [self.encoder(ids) for ids in texts])

    def embed(self, prepared: Tensor) -> EmbeddedTexts:
        """Embeds the tokens of prepared rows; needs an encoder with `embed`."""
        encoder: Any = self.encoder
        features, texts = self.split(prepared)
        return EmbeddedTexts(features, [encoder.embed(ids) for ids in texts], [ids != 0 for ids in texts])

    def forward_embedded(self, rows: EmbeddedTexts) -> Tensor:
        """What `forward` returns for the rows that `embed` embedded; needs an encoder with `forward_embedded`."""
        encoder: Any = self.encoder
        pairs = zip(rows.embedded, rows.masks, strict=True)
        return self._join(rows.features, [encoder.forward_embedded(*pair) for pair in pairs])

    def _join(self, features: Tensor, encoded: list[Tensor]) -> Tensor:
        parts = [features, *encoded] if self.num_features else encoded
        outputs: Tensor = self.model(torch.cat(parts, dim=1))
        return outputs
