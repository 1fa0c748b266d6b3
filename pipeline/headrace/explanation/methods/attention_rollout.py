"""Attention rollout: how much each token of a transformer reaches the representation that its head sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headrace.explanation.methods.attributions import AttributionRequest

if TYPE_CHECKING:
    from torch import Tensor, nn

PADDING = 0
ROWS_PER_BATCH = 32


def find_attention_obstacle(network: nn.Module, *, needs_patches: bool = False) -> str:
    """Returns why attention cannot be shown; empty if it can. `needs_patches`: of images."""
    from headrace.models.attention import Attention
    from headrace.models.tokens import PatchEmbedding

    modules = list(network.modules())
    has_patches = any(isinstance(module, PatchEmbedding) for module in modules)
    if not any(isinstance(module, Attention) for module in modules):
        return "the model has no attention"
    return "the model has no patches" if needs_patches and not has_patches else ""


def attribute_tokens(request: AttributionRequest) -> NDArray[np.float32]:
    """Returns the share `[rows, tokens]` of each token in the mean token; 0 for padding. Rows sum to 1."""
    return request.map_batches(_roll_out_tokens, ROWS_PER_BATCH)


def attribute_patches(request: AttributionRequest) -> NDArray[np.float32]:
    """Returns the share `[rows, height, width]` of each pixel's patch in the class token, or in the mean patch."""
    from headrace.models.tokens import PatchEmbedding

    patches = next(module for module in request.network.modules() if isinstance(module, PatchEmbedding))
    side = int(patches.project.kernel_size[0])
    rows, columns = (size // side for size in request.inputs.shape[1:3])
    shares = request.map_batches(lambda batch: _roll_out(batch, rows * columns), ROWS_PER_BATCH)
    maps = shares.reshape(-1, rows, columns)
    return maps.repeat(side, axis=1).repeat(side, axis=2)


def combine_blocks(maps: Tensor) -> Tensor:
    """Attention `[rows, blocks, heads, tokens, tokens]` -> rollout `[rows, tokens, tokens]`, whose rows sum to 1.

    Abnar and Zuidema (2020), Quantifying Attention Flow in Transformers, section 3: the mean over the heads, half of it
    the block's shortcut, multiplied over the blocks.
    """
    import torch

    identity = torch.eye(maps.shape[-1])
    rollout = identity.expand(len(maps), -1, -1)
    for block in maps.mean(dim=2).unbind(dim=1):
        rollout = (block + identity) / 2 @ rollout
    return rollout


def _roll_out_tokens(request: AttributionRequest) -> NDArray[np.float32]:
    return _roll_out(request, request.inputs.shape[1], request.inputs != PADDING)


def _roll_out(
    request: AttributionRequest, num_tokens: int, is_token: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    import torch

    from headrace.models.attention import attention_maps
    from headrace.models.tta import remove_test_time_augmentation

    network = remove_test_time_augmentation(request.network)
    rollout = combine_blocks(attention_maps(network, torch.from_numpy(np.array(request.inputs)))).numpy()
    if rollout.shape[1] > num_tokens:  # a class token comes first
        shares = rollout[:, 0, -num_tokens:]
    elif is_token is None:
        shares = rollout.mean(axis=1)
    else:
        weights = is_token / np.maximum(is_token.sum(axis=1, keepdims=True), 1)
        shares = np.where(is_token, (weights[:, None, :] @ rollout)[:, 0], 0)
    return shares.astype(np.float32)
