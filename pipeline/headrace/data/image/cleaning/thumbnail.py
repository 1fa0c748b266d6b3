"""Renders an image as a small inline HTML element."""

from __future__ import annotations

import io
from base64 import b64encode
from html import escape

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.image.decode import OWN_RANGE, decode_image
from headrace.data.image.open_image import UndecodableError, suppress_decoder_warnings

SIDE_PX = 96
"""Displayed length of the longer side; larger images are reduced, smaller ones enlarged by the browser."""
PNG_PIXELS = 48 * 48
"""Up to this size a PNG is hardly larger than a JPEG, and it is lossless."""
BOX = "display:inline-block;width:96px;height:96px;overflow:hidden;background:#ccc;color:#333;font:11px sans-serif"


def render_thumbnail(row: Json) -> str:
    """Returns an `<img>` of about 10 kB at most for a raw row (column -> value), or a grey box if it is undecodable."""
    try:
        with suppress_decoder_warnings():
            pixels = decode_image(row["image"], OWN_RANGE)
    except UndecodableError as error:
        return f'<span style="{BOX}">{escape(str(error))}</span>'
    kind, data, (width, height) = _reduce(pixels)
    scale = SIDE_PX / max(width, height)
    shape = f'width="{max(1, round(width * scale))}" height="{max(1, round(height * scale))}"'
    alt = escape(row.get("path") or row["row_id"])
    source = f"data:image/{kind};base64,{b64encode(data).decode()}"
    return f'<img src="{source}" {shape} alt="{alt}" style="image-rendering:pixelated">'


def _reduce(pixels: NDArray[np.uint8]) -> tuple[str, bytes, tuple[int, int]]:
    """Returns the format, bytes and (width, height) of the thumbnail."""
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((SIDE_PX, SIDE_PX))
    kind = "png" if image.width * image.height <= PNG_PIXELS else "jpeg"
    buffer = io.BytesIO()
    image.save(buffer, kind.upper())
    return kind, buffer.getvalue(), image.size
