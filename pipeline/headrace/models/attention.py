"""Attention: the blocks of every transformer, exported to ONNX as they are, and the maps of who attends to whom."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from headrace.models.activation import activation_of
from headrace.models.layers import Residual, TextModel, masked_mean
from headrace.models.options import ActivationName


class Attention(nn.Module):
    """Self-attention of several heads (Vaswani et al. 2017, section 3.2); nobody attends to padding."""

    def __init__(self, width: int, num_heads: int) -> None:
        """`num_heads` divides `width`."""
        super().__init__()
        self.num_heads = num_heads
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """`[batch, tokens, width]` -> the same shape.

        `mask` `[batch, tokens]` is true where a token is, of which every row has one; None: everywhere.
        """
        query, key, value = self._heads(values)
        if values.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # torch's fused attention (2.13) is many times slower in bfloat16 than two matrix products, without AMX
            found = self._shares(query, key, mask) @ value
        else:
            attended = None if mask is None else mask[:, None, None, :]
            found = scaled_dot_product_attention(query, key, value, attn_mask=attended)
        mixed: Tensor = self.outward(found.transpose(1, 2).reshape(values.shape))
        return mixed

    def weights(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """softmax(Q K^T / sqrt(features of a head)), equation 1: `[batch, heads, tokens, attended tokens]`.

        Rows sum to 1; `forward` mixes the values by these.
        """
        query, key, _ = self._heads(values)
        return self._shares(query, key, mask)

    def _shares(self, query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
        scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], -torch.inf)
        shares: Tensor = scores.softmax(dim=-1)
        return shares

    def _heads(self, values: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values, `[batch, heads, tokens, features of a head]` each."""
        batch, tokens, width = values.shape
        heads = self.inward(values).reshape(batch, tokens, 3, self.num_heads, width // self.num_heads)
        parts: tuple[Tensor, ...] = heads.permute(2, 0, 3, 1, 4).unbind(0)
        return parts


class EncoderBlock(nn.Module):
    """Attention and a dense block, each behind a layer norm and around a shortcut (Xiong et al. 2020: pre-norm)."""

    def __init__(
        self, width: int, num_heads: int, *, hidden: int, dropout: float, activation: ActivationName = "gelu"
    ) -> None:
        """`hidden`: features of the dense block."""
        super().__init__()
        self.norm, self.attention, self.dropout = nn.LayerNorm(width), Attention(width, num_heads), nn.Dropout(dropout)
        inward, outward = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.dense = Residual(nn.LayerNorm(width), inward, activation_of(activation), outward, nn.Dropout(dropout))

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """`[batch, tokens, width]` -> the same shape; `mask`: see Attention."""
        outputs: Tensor = self.dense(values + self.dropout(self.attention(self.norm(values), mask)))
        return outputs


class Encoder(TextModel):
    """Transformer encoder with learned positions; the mean over a row's tokens, then a head."""

    def __init__(
        self, max_tokens: int, vocabulary: int, width: int, *, blocks: list[nn.Module], head: nn.Module, dropout: float
    ) -> None:
        """`blocks`: EncoderBlocks of that width."""
        super().__init__(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(max_tokens, width))
        self.blocks, self.norm, self.dropout, self.head = (
            nn.ModuleList(blocks),
            nn.LayerNorm(width),
            nn.Dropout(dropout),
            head,
        )
        for weight in (self.positions, self.embedding.weight):
            nn.init.normal_(weight, std=0.02)
        with torch.no_grad():
            self.embedding.weight[0] = 0

    def forward_embedded(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """See TextModel; at most as many tokens as there are positions."""
        values = self.dropout(embedded + self.positions[: embedded.shape[1]])
        # a row without tokens would be a softmax over nothing, which is NaN
        attended = mask | (torch.arange(mask.shape[1], device=mask.device) == 0)
        for block in self.blocks:
            values = block(values, attended)
        outputs: Tensor = self.head(masked_mean(self.norm(values), mask))
        return outputs


def attention_maps(network: nn.Module, inputs: Tensor) -> Tensor:
    """Who attends to whom in a transformer, `[batch, blocks, heads, tokens, attended tokens]`; rows sum to 1.

    `inputs` are what `network` takes: a model of this room, or preprocessing and such a model. A class token comes
    first. The network is run in evaluation mode; raises ValueError for one that has no Attention.
    """
    layers = [module for module in network.modules() if isinstance(module, Attention)]
    if not layers:
        raise ValueError(f"attention_maps: {type(network).__name__} has no Attention; give it a transformer")
    found: list[Tensor] = []

    def keep(module: Any, values: tuple[Any, ...]) -> None:
        found.append(module.weights(*values))

    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(inputs)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return torch.stack(found, dim=1)
