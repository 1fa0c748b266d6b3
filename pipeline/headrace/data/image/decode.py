"""Decodes image files the same way in every stage, with one kind of error."""

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
# not all formats of Pillow: some are unsafe for untrusted files (EPS starts Ghostscript)
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
PLAIN_MODES = ("L", "RGB")
"""Pillow's names of the two modes of decoded pixels: 8-bit grey, and 8 bits for each of three colours."""


class UndecodableError(Exception):
    """Bytes that are not a usable image; the same bytes always give the same message."""


class Decoded(NamedTuple):
    """Pixels of an image file, and its mode."""

    pixels: NDArray[np.uint8]
    """`[height, width, channel]`: 1 channel for a grey image, else 3 (RGB)."""
    mode: str
    """Pillow's name of the file's mode; pixels of a mode outside PLAIN_MODES were converted."""


def decode_image(data: bytes) -> NDArray[np.uint8]:
    """Returns pixels `[height, width, channel]`: 1 channel for a grey image, else 3 (RGB).

    Applies the EXIF orientation, blends transparency with white, reduces 16 bits to 8, takes the first frame of an
    animation. Raises UndecodableError for truncated bytes, unknown formats and images beyond Pillow's pixel limit.
    """
    return decode_with_mode(data).pixels


def decode_with_mode(data: bytes) -> Decoded:
    """Returns the pixels of `decode_image` and the mode of the file; raises UndecodableError."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            mode = image.mode
            pixels = np.ascontiguousarray(_convert_mode(image))
    except UndecodableError:
        raise
    except UnidentifiedImageError:  # its message contains a memory address
        raise UndecodableError(f"none of the formats {', '.join(FORMATS)}") from None
    except Exception as error:  # noqa: BLE001 - on hostile bytes decoders raise anything, from struct.error to KeyError
        raise UndecodableError(f"{type(error).__name__}: {str(error).strip() or 'no details'}") from None
    return Decoded(pixels[..., None] if pixels.ndim == 2 else pixels, mode)  # noqa: PLR2004


def map_decoded(images: Iterable[bytes], work: Callable[[NDArray[np.uint8]], T]) -> list[T | UndecodableError]:
    """Returns `work(pixels)` of each image, in order, holding the pixels of one image at a time.

    Uses one core: callers distribute whole batches over processes or machines.
    """

    def attempt(data: bytes) -> T | UndecodableError:
        try:
            return work(decode_image(data))
        except UndecodableError as error:
            return error

    with suppress_decoder_warnings():
        return [attempt(data) for data in images]


@contextmanager
def suppress_decoder_warnings() -> Iterator[None]:
    """Silences the warnings of decoders, which do not name the file."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _convert_mode(image: Image.Image) -> Image.Image | NDArray[np.uint8]:
    """Converts to uint8 `[height, width]` or `[height, width, 3]`, as an array or an image of such a mode."""
    from PIL import Image, ImageOps

    if Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise UndecodableError(f"{image.width} x {image.height} pixels; at most {Image.MAX_IMAGE_PIXELS} are decoded")
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "F":
        raise UndecodableError("floating-point pixels of unknown range; store 8 or 16 bits")
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
