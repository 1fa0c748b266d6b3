"""Predictions of an image and of its mirror image in one."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Mirrored(nn.Module):
    """In training the network as it is; afterwards the mean of its outputs for an image and its mirror image.

    Averaging over copies of the test image is Krizhevsky et al. (2012), section 4.1, who take crops too.
    """

    def __init__(self, network: nn.Module) -> None:
        """`network`: from `[batch, channel, height, width]` to `[batch, outputs]`."""
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """`[batch, channel, height, width]` -> `[batch, outputs]`."""
        outputs: Tensor = self.network(images)
        if self.training:
            return outputs
        return torch.lerp(outputs, self.network(images.flip(-1)), 0.5)
