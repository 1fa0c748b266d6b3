"""Bytes to pixels: one meaning of an image file for every stage, and one kind of error."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")
# Pillow knows more formats than are safe to open on strangers' files (EPS would start Ghostscript): these only
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
PLAIN_MODES = ("L", "RGB")
"""Pillow's names of the two that pixels are kept in: 8 bits of grey, 8 bits a colour."""


class UndecodableError(Exception):
    """Bytes are no image that can be used; the message says why, the same for the same bytes."""


class Decoded(NamedTuple):
    """What a file's bytes are."""

    pixels: NDArray[np.uint8]
    """`[height, width, channel]`: 1 channel for a grey image, else 3 (RGB)."""
    mode: str
    """The file's own mode, as Pillow names it; what is none of PLAIN_MODES has been converted."""


def decode(data: bytes) -> NDArray[np.uint8]:
    """Pixels `[height, width, channel]`: 1 channel for a grey image, else 3 (RGB).

    Upright by its EXIF orientation; transparency is laid on white; 16 bits become 8; of an animation the first frame.
    Raises UndecodableError for bytes that are truncated, no known format, or too large to be meant well.
    """
    return decode_with_mode(data).pixels


def decode_with_mode(data: bytes) -> Decoded:
    """The same pixels, and what mode the file has; raises UndecodableError."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            mode = image.mode
            pixels = np.ascontiguousarray(_pixels(image))
    except UndecodableError:
        raise
    except UnidentifiedImageError:  # its own message holds a memory address
        raise UndecodableError(f"none of the formats {', '.join(FORMATS)}") from None
    except Exception as error:  # noqa: BLE001 - on hostile bytes decoders raise anything, from struct.error to KeyError
        raise UndecodableError(f"{type(error).__name__}: {str(error).strip() or 'no details'}") from None
    return Decoded(pixels[..., None] if pixels.ndim == 2 else pixels, mode)  # noqa: PLR2004


def map_decoded(images: Iterable[bytes], work: Callable[[NDArray[np.uint8]], T]) -> list[T | UndecodableError]:
    """`work(pixels)` for each image, in order; one image's pixels live only while `work` runs on them.

    One core: whole batches go to processes, or to machines.
    """

    def attempt(data: bytes) -> T | UndecodableError:
        try:
            return work(decode(data))
        except UndecodableError as error:
            return error

    with quiet_decoders():
        return [attempt(data) for data in images]


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keeps the warnings of decoders away: they name no file."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _pixels(image: Image.Image) -> Image.Image | NDArray[np.uint8]:
    """What `np.asarray` turns into `[height, width]` or `[height, width, 3]`, uint8."""
    from PIL import Image, ImageOps

    if Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise UndecodableError(f"{image.width} x {image.height} pixels; at most {Image.MAX_IMAGE_PIXELS} are decoded")
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "F":
        raise UndecodableError("floating-point pixels, whose range nothing tells; store 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits, or 16 bits in 32: the high byte, as Pillow does for 16-bit colour
        high: NDArray[np.uint8] = (np.clip(np.asarray(image), 0, 65535) >> 8).astype(np.uint8)
        return high
    mode = "L" if _is_grey(image) else "RGB"
    if image.has_transparency_data:
        return _on_white(image, mode)
    return image if image.mode == mode else image.convert(mode)


def _is_grey(image: Image.Image) -> bool:
    if image.mode in {"P", "PA"}:
        palette = image.getpalette() or []
        return palette[0::3] == palette[1::3] == palette[2::3]
    return image.mode in {"1", "L", "LA", "La"}


def _on_white(image: Image.Image, mode: str) -> Image.Image:
    from PIL import Image

    layered = image.convert("LA" if mode == "L" else "RGBA")
    flat = Image.new(mode, image.size, "white")
    flat.paste(layered.convert(mode), mask=layered.getchannel("A"))
    return flat
