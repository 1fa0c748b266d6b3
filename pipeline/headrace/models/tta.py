"""Predictions of an image and of copies of it, in one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class TestTimeAugmentation(nn.Module):
    """In training the network as it is; afterwards the mean of its outputs for an image and for copies of it.

    Averaging over crops of the test image and their mirror images is Krizhevsky et al. (2012), section 4.1. With
    `shift` the image counts half and two copies along a diagonal a quarter each: Jordan (2024, arXiv:2404.00498,
    section 3.5).
    """

    def __init__(self, network: nn.Module, *, mirror: bool, shift: int) -> None:
        """`network`: from `[batch, channel, height, width]` to `[batch, outputs]`; `shift` in pixels, 0: none."""
        super().__init__()
        self.network, self.mirror, self.shift = network, mirror, shift
        self.is_alone = False

    def forward(self, images: Tensor) -> Tensor:
        """`[batch, channel, height, width]` -> `[batch, outputs]`."""
        if self.training or self.is_alone:
            alone: Tensor = self.network(images)
            return alone
        views = [images, *self._shifted(images)] if self.shift else [images]
        weights = [0.5, 0.25, 0.25] if self.shift else [1.0]
        if self.mirror:
            views, weights = [*views, *(view.flip(-1) for view in views)], [weight / 2 for weight in weights * 2]
        outputs = self.network(torch.cat(views)).unflatten(0, (len(views), -1))
        mean: Tensor = torch.einsum("v,vbo->bo", outputs.new_tensor(weights), outputs)
        return mean

    def _shifted(self, images: Tensor) -> list[Tensor]:
        """Copies moved along the diagonal, up and down; what comes in repeats the edge."""
        height, width, room = images.shape[-2], images.shape[-1], 2 * self.shift
        padded = pad(images, [self.shift] * 4, mode="replicate")
        return [padded[..., room:, room:], padded[..., :height, :width]]


def disable_test_time_augmentation(network: nn.Module) -> None:
    """Spares a training the copies: its validation, an epoch after another, is that of the network itself."""
    for module in network.modules():
        if isinstance(module, TestTimeAugmentation):
            module.is_alone = True
