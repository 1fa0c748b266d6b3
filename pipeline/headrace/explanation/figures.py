"""Images and heat maps for a page, as PNG in a data URI."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

HEAT_QUANTILE = 0.995  # otherwise a few strong pixels would leave the rest pale
COLOUR_MAP = "RdBu_r"  # red supports the class, blue opposes it


def encode_image(pixels: NDArray[np.uint8]) -> str:
    """Encodes an image `[height, width, channel]` of 1 or 3 channels, as it is stored."""
    from PIL import Image

    return _data_uri(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]))


def draw_heat_map(attribution: NDArray[np.float32], pixels: NDArray[np.uint8] | None = None) -> str:
    """Draws attributions `[height, width]` in red (for), blue (against) and white, over a shadow of the image."""
    import matplotlib as mpl
    from PIL import Image

    scale = float(np.quantile(np.abs(attribution), HEAT_QUANTILE)) or 1.0
    heat = mpl.colormaps[COLOUR_MAP](np.clip(attribution / scale, -1, 1) / 2 + 0.5)[..., :3]
    if pixels is not None:
        grey = pixels.mean(axis=-1, keepdims=True) / 255
        heat = heat * (1 - 0.25 * grey)
    return _data_uri(Image.fromarray(np.rint(heat * 255).astype(np.uint8)))


def _data_uri(image: object) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")  # type: ignore[attr-defined]
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
