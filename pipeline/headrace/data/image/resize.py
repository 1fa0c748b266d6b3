"""Resizes images and converts their channels, by the same rules in training, batch prediction and serving."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def resize_image(pixels: Pixels, size: tuple[int, int], rule: str) -> Pixels:
    """Resizes `[h, w, c]` to `size` (height, width).

    `stretch` ignores the aspect ratio, `pad` adds black borders, `crop` cuts the excess.
    """
    from PIL import Image

    if pixels.shape[:2] == size:
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    scales = (size[0] / image.height, size[1] / image.width)
    if rule != "stretch":
        scales = (min(scales),) * 2 if rule == "pad" else (max(scales),) * 2
    # an image of 1 x 1000 pixels stays at least one pixel high
    height, width = max(1, round(image.height * scales[0])), max(1, round(image.width * scales[1]))
    scaled = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size[1]) // 2, (height - size[0]) // 2
    framed = scaled.crop((left, top, left + size[1], top + size[0]))  # black outside the borders
    return np.asarray(framed).reshape(*size, pixels.shape[2])


def convert_channels(pixels: Pixels, channels: int) -> Pixels:
    """Converts grey `[h, w, 1]` to RGB `[h, w, 3]` by repetition, and RGB to grey by luminance (ITU-R 601-2)."""
    from PIL import Image

    if pixels.shape[2] == channels:
        return pixels
    if channels == 1:
        return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    return np.repeat(pixels, channels, axis=2)
