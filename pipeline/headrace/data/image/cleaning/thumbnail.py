"""An image as HTML shows it: small, and part of the page."""

from __future__ import annotations

import io
from base64 import b64encode
from html import escape

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.image.decode import UndecodableError, decode, quiet_decoders

SIDE_PX = 96
"""The longer side as it is shown; larger images are made smaller, smaller ones are enlarged by the browser."""
PNG_PIXELS = 48 * 48
"""Up to so many, a PNG is hardly larger than a JPEG, and shows the pixels as they are."""
BOX = "display:inline-block;width:96px;height:96px;overflow:hidden;background:#ccc;color:#333;font:11px sans-serif"


def picture(row: Json) -> str:
    """An `<img>` of a raw row (column -> value) of at most some 10 kB; a grey box where it cannot be decoded."""
    try:
        with quiet_decoders():
            pixels = decode(row["image"])
    except UndecodableError as error:
        return f'<span style="{BOX}">{escape(str(error))}</span>'
    kind, data, (width, height) = _small(pixels)
    scale = SIDE_PX / max(width, height)
    shape = f'width="{max(1, round(width * scale))}" height="{max(1, round(height * scale))}"'
    alt = escape(row.get("path") or row["row_id"])
    source = f"data:image/{kind};base64,{b64encode(data).decode()}"
    return f'<img src="{source}" {shape} alt="{alt}" style="image-rendering:pixelated">'


def _small(pixels: NDArray[np.uint8]) -> tuple[str, bytes, tuple[int, int]]:
    """Format, bytes, and width and height of the image that is shown."""
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((SIDE_PX, SIDE_PX))
    kind = "png" if image.width * image.height <= PNG_PIXELS else "jpeg"
    buffer = io.BytesIO()
    image.save(buffer, kind.upper())
    return kind, buffer.getvalue(), image.size
