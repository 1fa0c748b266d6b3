"""Test-time augmentation: averages the outputs for an image and its mirrored or shifted copies."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class TestTimeAugmentation(nn.Module):
    """In evaluation mode, averages a network's outputs over copies of an image; in training, the plain network.

    Averaging over crops of the image and their mirror images: Krizhevsky et al. (2012), section 4.1. With `shift` the
    image weighs a half, and two copies along a diagonal a quarter each: Jordan (2024, arXiv:2404.00498, section 3.5).
    """

    def __init__(self, network: nn.Module, *, mirror: bool, shift: int) -> None:
        """`network`: `[batch, channel, height, width]` -> `[batch, outputs]`; `shift` is in pixels."""
        super().__init__()
        self.network, self.mirror, self.shift = network, mirror, shift
        self.is_disabled = False

    def forward(self, images: Tensor) -> Tensor:
        """`[batch, channel, height, width]` -> `[batch, outputs]`."""
        if self.training or self.is_disabled:
            plain: Tensor = self.network(images)
            return plain
        views = [images, *self._shifted(images)] if self.shift else [images]
        weights = [0.5, 0.25, 0.25] if self.shift else [1.0]
        if self.mirror:
            views, weights = [*views, *(view.flip(-1) for view in views)], [weight / 2 for weight in weights * 2]
        outputs = self.network(torch.cat(views)).unflatten(0, (len(views), -1))
        mean: Tensor = torch.einsum("v,vbo->bo", outputs.new_tensor(weights), outputs)
        return mean

    def _shifted(self, images: Tensor) -> list[Tensor]:
        """Copies shifted along the diagonal in both directions; edge pixels are replicated."""
        height, width, offset = images.shape[-2], images.shape[-1], 2 * self.shift
        padded = pad(images, [self.shift] * 4, mode="replicate")
        return [padded[..., offset:, offset:], padded[..., :height, :width]]


def disable_test_time_augmentation(network: nn.Module) -> None:
    """Makes the network ignore test-time augmentation, so that validation during training is fast."""
    for module in network.modules():
        if isinstance(module, TestTimeAugmentation):
            module.is_disabled = True


def remove_test_time_augmentation(network: nn.Sequential) -> nn.Sequential:
    """Returns the same layers without test-time augmentation; the weights are shared."""
    layers = (layer.network if isinstance(layer, TestTimeAugmentation) else layer for layer in network)
    return nn.Sequential(*layers).train(network.training)
