"""First layer of an image network: normalises stored pixels and moves the channels to the front."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headrace.contracts import Json


class ImagePreprocess(nn.Module):
    """uint8 `[batch, height, width, channel]` -> float32 `[batch, channel, height, width]`, (x / 255 - mean) / std."""

    mean: Tensor
    std: Tensor

    def __init__(self, transform: Json) -> None:
        """Reads `mean` and `std` per channel, for pixels in [0, 1], from `transform.json`."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(transform["mean"], dtype=torch.float32))
        self.register_buffer("std", torch.tensor(transform["std"], dtype=torch.float32))

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalises with the statistics of the train rows."""
        normalised: Tensor = (pixels.to(torch.float32) / 255 - self.mean) / self.std
        return normalised.permute(0, 3, 1, 2)
