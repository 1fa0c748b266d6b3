"""Reads the values of images of more than 8 bits, and of signed ones. Copied into served image models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.open_image import open_image

if TYPE_CHECKING:
    from PIL import Image, ImageFile

BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
WHITE_IS_ZERO, UNSIGNED, SIGNED = 0, 1, 2
"""Tags of TIFF and their values (https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf)."""
COLOURS = ("RGB", "RGBA")


class DeepImage(NamedTuple):
    """An image of more than 8 bits."""

    values: NDArray[Any]
    """`[height, width]` or `[height, width, 3]`."""
    is_inverted: bool
    """Whether the lowest value is white."""
    alpha: Image.Image | None
    """Its transparency."""


def find_raw_mode(image: ImageFile.ImageFile) -> str:
    """Returns Pillow's name of the layout in the file, which an image has until it is decoded; may be empty."""
    arguments: Any = image.tile[0].args if image.tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def is_deep(image: Image.Image, raw_mode: str) -> bool:
    """Whether an image has more than 8 bits; of TIFFs, signed ones of 8 bits count too."""
    if image.mode == "L":
        return _read_tag(image, SAMPLE_FORMAT, UNSIGNED) == SIGNED
    return image.mode == "F" or image.mode.startswith("I") or _has_deep_colours(image, raw_mode)


def read_deep_values(image: Image.Image, raw_mode: str, data: bytes) -> DeepImage | None:
    """Returns the values of a decoded image, whose file is `data`; None if it has 8 bits."""
    if not is_deep(image, raw_mode):
        return None
    values = np.asarray(image)
    if _has_deep_colours(image, raw_mode):  # Pillow reads the high bytes
        low = _read_low_bytes(data, raw_mode)
        deep = (values[..., :3].astype(np.uint16) << 8) | low[..., :3]
        return DeepImage(deep, is_inverted=False, alpha=image.getchannel("A") if image.mode == "RGBA" else None)
    if image.mode == "L":  # Pillow takes them for unsigned
        values = values.view(np.int8)
    sample_format, bits = _read_tag(image, SAMPLE_FORMAT, UNSIGNED), _read_tag(image, BITS_PER_SAMPLE, 0)
    if image.mode == "I" and (sample_format, bits) == (UNSIGNED, 32):  # and these for signed
        values = values.view(np.uint32)
    # Pillow inverts 8 bits only
    return DeepImage(values, is_inverted=_read_tag(image, PHOTOMETRIC, 1) == WHITE_IS_ZERO, alpha=None)


def _has_deep_colours(image: Image.Image, raw_mode: str) -> bool:
    return image.mode in COLOURS and raw_mode.partition(";16")[::2] in {(image.mode, end) for end in "BLN"}


def _read_low_bytes(data: bytes, raw_mode: str) -> NDArray[np.uint8]:
    """Decodes the image again as if the other byte of each value were the high one."""
    swapped = raw_mode[:-1] + ("L" if raw_mode.endswith("B") else "B")
    with open_image(data) as image:
        image.tile = [
            tile._replace(args=(swapped, *tile.args[1:]) if isinstance(tile.args, tuple) else swapped)
            for tile in image.tile
        ]
        image.load()
        return np.asarray(image)


def _read_tag(image: Image.Image, tag: int, default: int) -> int:
    """Returns a tag of a TIFF, of the first channel; the default for other formats."""
    value: Any = getattr(image, "tag_v2", {}).get(tag, default)
    first: int = value[0] if isinstance(value, tuple) and value else value
    return first
