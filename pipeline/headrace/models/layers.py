"""Layers shared by several networks, and the base class of text models, which handles padding."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Residual(nn.Sequential):
    """Adds the output of its layers to their input."""

    def forward(self, inputs: Tensor) -> Tensor:
        """`[..., width]` -> the same shape."""
        outputs = inputs
        for layer in self:
            outputs = layer(outputs)
        return inputs + outputs


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `[batch, tokens, width]` over the tokens where `mask` `[batch, tokens]` is true; 0 if it is nowhere."""
    weights = mask.unsqueeze(-1).to(values.dtype)
    return (values * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


class TextModel(nn.Module, ABC):
    """Embeds token ids and passes them to `forward_embedded`, where explanations start."""

    def __init__(self, vocabulary: int, width: int) -> None:
        """Creates the embedding; that of padding (id 0) is 0 and is never trained."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)

    def embed(self, ids: Tensor) -> Tensor:
        """int64 `[batch, tokens]` -> float32 `[batch, tokens, width]`."""
        embedded: Tensor = self.embedding(ids)
        return embedded

    @abstractmethod
    def forward_embedded(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """`[batch, tokens, width]` -> `[batch, outputs]`; `mask` `[batch, tokens]` is false for padding."""

    def forward(self, ids: Tensor) -> Tensor:
        """int64 `[batch, tokens]`, with 0 as padding after each row's tokens -> `[batch, outputs]`."""
        return self.forward_embedded(self.embed(ids), ids != 0)


class MeanPooling(TextModel):
    """The mean of a row's embedded tokens, regardless of their order, and a head."""

    def __init__(self, vocabulary: int, width: int, head: nn.Module) -> None:
        """`head`: `[batch, width]` -> `[batch, outputs]`."""
        super().__init__(vocabulary, width)
        self.head = head

    def forward_embedded(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """See TextModel."""
        outputs: Tensor = self.head(masked_mean(embedded, mask))
        return outputs
