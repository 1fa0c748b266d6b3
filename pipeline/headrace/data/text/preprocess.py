"""The first layer of a text's network: stored token ids to ids for an embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headrace.contracts import Json


class TextPreprocess(nn.Module):
    """int32 `[batch, tokens]` -> int64 `[batch, tokens]`; 0 is padding."""

    def __init__(self, transform: Json) -> None:  # noqa: ARG002 one signature for all modalities
        """Ignores `transform.json`: the arrays already hold token ids."""
        super().__init__()

    def forward(self, ids: Tensor) -> Tensor:
        """Casts the ids to int64."""
        return ids.to(torch.int64)
