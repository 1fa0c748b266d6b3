"""Resizes images and converts their channels, by the same rules in training, batch prediction and serving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]


def resize_pixels(pixels: Pixels, shape: Sequence[int], rule: str) -> Pixels:
    """Resizes decoded pixels `[h, w, c]` to a shape (height, width, channels), as fit_image does."""
    from PIL import Image

    if pixels.shape == tuple(shape):
        return pixels
    return fit_image(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), shape, rule)


def fit_image(image: Image.Image, shape: Sequence[int], rule: str) -> Pixels:
    """Converts an image of mode L or RGB to pixels of a shape (height, width, channels).

    `stretch` ignores the aspect ratio, `pad` adds black borders, `crop` cuts the excess. Colours become grey by
    luminance (ITU-R 601-2), grey levels become colours by repetition.
    """
    from PIL import Image

    height, width, channels = shape
    if channels == 1 and image.mode != "L":
        image = image.convert("L")
    if image.size != (width, height):
        scaled_height, scaled_width = _scale_size((image.height, image.width), (height, width), rule)
        image = image.resize((scaled_width, scaled_height), Image.Resampling.BILINEAR)
        left, top = (scaled_width - width) // 2, (scaled_height - height) // 2
        if image.size != (width, height):
            image = image.crop((left, top, left + width, top + height))  # black outside the borders
    if channels != 1 and image.mode == "L":
        image = image.convert("RGB")
    return np.asarray(image).reshape(shape)


def _scale_size(size: tuple[int, int], wanted: tuple[int, int], rule: str) -> tuple[int, int]:
    """Returns the (height, width) that an image has before `wanted` is padded or cropped from it."""
    scales = (wanted[0] / size[0], wanted[1] / size[1])
    if rule != "stretch":
        scales = (min(scales),) * 2 if rule == "pad" else (max(scales),) * 2
    # an image of 1 x 1000 pixels stays at least one pixel high
    return max(1, round(size[0] * scales[0])), max(1, round(size[1] * scales[1]))
