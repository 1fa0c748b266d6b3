"""Attention: self-attention, encoder blocks and the text encoder built from them, and attention maps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from headrace.models.activation import make_activation
from headrace.models.layers import Residual, TextModel, masked_mean
from headrace.models.options import ActivationName


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2), which ignores padding."""

    def __init__(self, width: int, num_heads: int) -> None:
        """`num_heads` divides `width`."""
        super().__init__()
        self.num_heads = num_heads
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """`[batch, tokens, width]` -> the same shape.

        `mask` `[batch, tokens]` is true for tokens and false for padding; every row needs a token. None: no padding.
        """
        query, key, value = self._heads(values)
        if values.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # without AMX, torch's fused attention (2.13) in bfloat16 is many times slower than two matrix products
            attended = self._weights(query, key, mask) @ value
        else:
            key_mask = None if mask is None else mask[:, None, None, :]
            attended = scaled_dot_product_attention(query, key, value, attn_mask=key_mask)
        outputs: Tensor = self.outward(attended.transpose(1, 2).reshape(values.shape))
        return outputs

    def weights(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """softmax(Q K^T / sqrt(features per head)), equation 1: `[batch, heads, tokens, attended tokens]`.

        Rows sum to 1; `forward` averages the values with these weights.
        """
        query, key, _ = self._heads(values)
        return self._weights(query, key, mask)

    def _weights(self, query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
        scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], -torch.inf)
        weights: Tensor = scores.softmax(dim=-1)
        return weights

    def _heads(self, values: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values, `[batch, heads, tokens, features per head]` each."""
        batch, tokens, width = values.shape
        heads = self.inward(values).reshape(batch, tokens, 3, self.num_heads, width // self.num_heads)
        projections: tuple[Tensor, ...] = heads.permute(2, 0, 3, 1, 4).unbind(0)
        return projections


class EncoderBlock(nn.Module):
    """Attention and a dense block, each preceded by a layer norm and with a shortcut (pre-norm: Xiong et al. 2020)."""

    def __init__(
        self, width: int, num_heads: int, *, hidden: int, dropout: float, activation: ActivationName = "gelu"
    ) -> None:
        """`hidden`: features of the dense block."""
        super().__init__()
        self.norm, self.attention, self.dropout = nn.LayerNorm(width), Attention(width, num_heads), nn.Dropout(dropout)
        inward, outward = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.dense = Residual(nn.LayerNorm(width), inward, make_activation(activation), outward, nn.Dropout(dropout))

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """`[batch, tokens, width]` -> the same shape; for `mask` see Attention."""
        outputs: Tensor = self.dense(values + self.dropout(self.attention(self.norm(values), mask)))
        return outputs


class TextEncoder(TextModel):
    """Transformer encoder with learned positions, mean pooling over a row's tokens, and a head."""

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
        """See TextModel; accepts at most as many tokens as there are positions."""
        values = self.dropout(embedded + self.positions[: embedded.shape[1]])
        # in a row without tokens the softmax over nothing would be NaN
        attended = mask | (torch.arange(mask.shape[1], device=mask.device) == 0)
        for block in self.blocks:
            values = block(values, attended)
        outputs: Tensor = self.head(masked_mean(self.norm(values), mask))
        return outputs


def attention_maps(network: nn.Module, inputs: Tensor) -> Tensor:
    """Attention weights of a transformer, `[batch, blocks, heads, tokens, attended tokens]`; rows sum to 1.

    `network` is one of these models, with or without preprocessing. A class token comes first. The network runs in
    evaluation mode. Raises ValueError for a network without Attention.
    """
    layers = [module for module in network.modules() if isinstance(module, Attention)]
    if not layers:
        raise ValueError(f"attention_maps: {type(network).__name__} has no Attention; give it a transformer")
    maps: list[Tensor] = []

    def record(module: Any, values: tuple[Any, ...]) -> None:
        maps.append(module.weights(*values))

    hooks = [layer.register_forward_pre_hook(record) for layer in layers]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(inputs)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return torch.stack(maps, dim=1)
