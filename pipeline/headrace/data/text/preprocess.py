"""The first layer of a text's network: stored token ids in, ids as an embedding takes them out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headrace.contracts import Json


class TextPreprocess(nn.Module):
    """int32 `[batch, tokens]` -> int64 `[batch, tokens]`; 0 is padding."""

    def __init__(self, transform: Json) -> None:  # noqa: ARG002 one signature for all modalities
        """Needs nothing of `transform.json`: the tokenizer came before the arrays."""
        super().__init__()

    def forward(self, ids: Tensor) -> Tensor:
        """Widens the ids."""
        return ids.to(torch.int64)
