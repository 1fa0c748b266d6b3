"""Opens image files: format, bounds and orientation, without decoding pixels. Copied into served image models."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from headrace.data.sources.image_formats import FORMATS, HEIC_REMEDY, is_heic

if TYPE_CHECKING:
    from PIL import Image, ImageFile

JPEG_START = b"\xff\xd8\xff"
ORIENTATION = 0x0112
"""The EXIF tag."""
TRANSPOSITIONS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""Orientation (EXIF 2.3, 4.6.4) -> the member of Image.Transpose that makes an image upright."""
SWAPS_SIDES = (5, 6, 7, 8)
JPEG_BONUS = 2
"""A JPEG may have so many times the pixels of other images, since it can be decoded at a fraction of its size."""


class UndecodableError(Exception):
    """Bytes that are not a usable image; the same bytes always give the same message."""


def open_image(data: bytes) -> ImageFile.ImageFile:
    """Opens an image without decoding its pixels; raises UndecodableError for other formats and too many pixels."""
    from PIL import Image, UnidentifiedImageError
    from PIL.JpegImagePlugin import jpeg_factory

    image: ImageFile.ImageFile | None
    with translate_decoder_errors():
        try:
            image = Image.open(io.BytesIO(data), formats=_choose_formats(data))
        except UnidentifiedImageError:  # its message contains a memory address
            raise UndecodableError(f"none of the formats {', '.join(FORMATS)}") from None
        except Image.DecompressionBombError:
            image = jpeg_factory(io.BytesIO(data)) if data.startswith(JPEG_START) else None
        limit = max_pixels()
        if image is None or image.width * image.height > JPEG_BONUS * limit:
            raise UndecodableError(
                f"more than {limit:,} pixels (JPEG: {JPEG_BONUS * limit:,}), the most that are decoded; reduce its size"
            )
    return image


def max_pixels() -> int:
    """The pixels of an image that are decoded at most, which is the limit of Pillow (179 million)."""
    from PIL import Image

    return 2 * (Image.MAX_IMAGE_PIXELS or 2**31)


def read_orientation(image: Image.Image, data: bytes) -> int:
    """Returns the EXIF orientation of an opened image, a key of TRANSPOSITIONS, or 1.

    Only this tag is read: others may be invalid. Pixels are not decoded, except where a PNG has EXIF after them.
    """
    from PIL import Image

    try:
        if image.format == "PNG" and b"eXIf" in data:
            image.load()
        exif = Image.Image.getexif(image)  # that of PNG decodes the pixels
        orientation = exif.get(ORIENTATION)
    except Exception:  # noqa: BLE001 - an EXIF block that cannot be parsed raises anything; the pixels may be sound
        return 1
    return orientation if orientation in TRANSPOSITIONS else 1


@contextmanager
def translate_decoder_errors() -> Iterator[None]:
    """Raises UndecodableError for whatever a decoder raises."""
    try:
        yield
    except UndecodableError:
        raise
    except Exception as error:  # noqa: BLE001 - on hostile bytes decoders raise anything, from struct.error to KeyError
        raise UndecodableError(f"{type(error).__name__}: {str(error).strip() or 'no details'}") from None


class _DecoderWarnings:
    """Silences the warnings of decoders while any thread wants it; catch_warnings alone is for one thread."""

    def __init__(self) -> None:
        self._lock, self._num_users, self._saved = Lock(), 0, warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._num_users == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._num_users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._num_users -= 1
            if self._num_users == 0:
                self._saved.__exit__(None, None, None)


_DECODER_WARNINGS = _DecoderWarnings()


def suppress_decoder_warnings() -> AbstractContextManager[None]:
    """Silences the warnings of decoders, which do not name the file, in a block."""
    return _DECODER_WARNINGS


def _choose_formats(data: bytes) -> tuple[str, ...]:
    """Returns the formats that Pillow may try, after registering HEIC where the data are of it."""
    if not is_heic(data):
        return tuple(FORMATS)
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise UndecodableError(HEIC_REMEDY) from None
    register_heif_opener()
    return ("HEIF",)
