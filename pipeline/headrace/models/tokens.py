"""Tokens of images (patches) and tables (columns), and a transformer encoder for them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PatchEmbedding(nn.Module):
    """Square patches: a linear map of the pixels plus a learned position (Dosovitskiy et al. 2021, equation 1)."""

    def __init__(self, input_shape: list[int], patch: int, width: int, *, dropout: float) -> None:
        """`input_shape` is height, width (both multiples of `patch`) and channels; `width` is that of a token."""
        super().__init__()
        height, image_width, channels = input_shape
        self.project = nn.Conv2d(channels, width, kernel_size=patch, stride=patch)
        self.positions = nn.Parameter(torch.empty((height // patch) * (image_width // patch), width))
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """`[batch, channel, height, width]` -> `[batch, patches, width of a token]`, patches in row-major order."""
        # contiguous, or every later layer norm would copy its strided inputs
        patches = self.project(images).flatten(2).transpose(1, 2).contiguous()
        tokens: Tensor = self.dropout(patches + self.positions)
        return tokens


class ColumnEmbedding(nn.Module):
    """One token per column: b_j + x_j W_j, or b_j + e_j^T W_j for a category (Gorishniy et al. 2021, section 3.3).

    Both are sums of feature times vector over the column's features: a category is one-hot, and the flag of a missing
    value adds its own vector.
    """

    members: Tensor

    def __init__(self, layout: list[int], width: int) -> None:
        """`layout` is the column of each feature; columns without features have no token."""
        super().__init__()
        columns = torch.tensor(sorted(set(layout)))
        # [columns, features]: one matrix product computes all tokens; separate graph nodes per column would be slow
        members = (torch.tensor(layout) == columns.unsqueeze(1)).to(torch.float32)
        self.register_buffer("members", members, persistent=False)
        self.vectors, self.bias = (nn.Parameter(torch.empty(size, width)) for size in members.shape[::-1])
        for weight in (self.vectors, self.bias):
            nn.init.uniform_(weight, -(width**-0.5), width**-0.5)

    def forward(self, features: Tensor) -> Tensor:
        """`[batch, features]` -> `[batch, columns, width]`."""
        tokens: Tensor = (features.unsqueeze(1) * self.members) @ self.vectors + self.bias
        return tokens


class TokenEncoder(nn.Module):
    """Encoder blocks over tokens, and a head on a class token (Devlin et al. 2019) or on the mean token."""

    def __init__(self, width: int, blocks: list[nn.Module], head: nn.Module, *, has_class_token: bool) -> None:
        """`blocks`: EncoderBlocks of that width; `head`: `[batch, width]` -> `[batch, outputs]`."""
        super().__init__()
        self.class_token = nn.Parameter(torch.empty(width)) if has_class_token else None
        self.blocks, self.norm, self.head = nn.ModuleList(blocks), nn.LayerNorm(width), head
        if self.class_token is not None:
            nn.init.normal_(self.class_token, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[batch, tokens, width]` -> `[batch, outputs]`."""
        if self.class_token is not None:
            tokens = torch.cat([self.class_token.expand(tokens.shape[0], 1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        values = tokens.mean(dim=1) if self.class_token is None else tokens[:, 0]
        outputs: Tensor = self.head(self.norm(values))
        return outputs
