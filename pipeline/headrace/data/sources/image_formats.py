"""The image formats that are read, and the extensions of their files. Copied into served image models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec

FORMATS: dict[str, tuple[str, ...]] = {
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jfif", ".jpe", ".jpeg", ".jpg"),
    "PNG": (".apng", ".png"),
    "PPM": (".pbm", ".pfm", ".pgm", ".pnm", ".ppm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "AVIF": (".avif", ".avifs"),
    "DDS": (".dds",),
    "ICNS": (".icns",),
    "ICO": (".ico",),
    "JPEG2000": (".j2c", ".j2k", ".jp2", ".jpc", ".jpf", ".jpx"),
    "PCX": (".pcx",),
    "QOI": (".qoi",),
    "SGI": (".bw", ".rgb", ".rgba", ".sgi"),
    "SUN": (".ras",),
    "TGA": (".icb", ".tga", ".vda", ".vst"),
}
"""Pillow's name of a format -> the usual extensions of its files; tried in this order.

Not all formats of Pillow: EPS starts Ghostscript, WMF a renderer of Windows; GRIB, HDF5 and BUFR have no decoder; FITS
loses the scale of its values.
"""
HEIC_EXTENSIONS = (".heic", ".heif", ".hif")
"""Of the photos of phones, for which the extra `heic` (package pillow-heif) is needed."""
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
EXTENSIONS = tuple(sorted({*HEIC_EXTENSIONS, *(extension for names in FORMATS.values() for extension in names)}))
"""The extensions by which folders, archives and inputs of predictions are searched for images."""
MIN_IMAGES = 10
"""From so many on, images beside a table are more than its illustrations."""
SIGNATURES = re.compile(
    rb"\x89PNG|\xff\xd8\xff|GIF8|BM....\0\0\0\0|II\*\0|MM\0\*|RIFF....WEBP|....ftyp(avif|avis|hei[cmsx]|hev[cx]|mif1)"
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51|P[1-7fF]\s|qoif|icns|DDS \x7c\0|\0\0\x01\0|\x59\xa6\x6a\x95"
    rb"|\x01\xda[\0\x01][\x01\x02]",
    re.DOTALL,
)
"""How files of the formats begin, but for PCX and TGA, which have no signature."""
HEIC_REMEDY = "HEIC needs the package pillow-heif: pip install 'headrace[heic]'"


def is_image(data: bytes) -> bool:
    """Whether data begin as an image does."""
    return SIGNATURES.match(data) is not None


def is_heic(data: bytes) -> bool:
    """Whether a file begins as HEIC does: an ISO media file (ISO/IEC 23008-12) whose first brands include one of it."""
    return data[4:8] == b"ftyp" and any(brand in data[8:64] for brand in HEIC_BRANDS)


def lacks_heic(extensions: Iterable[str]) -> bool:
    """Whether files with these extensions need the extra `heic`, which is not installed."""
    return any(extension in HEIC_EXTENSIONS for extension in extensions) and find_spec("pillow_heif") is None
