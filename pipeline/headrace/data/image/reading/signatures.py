"""Recognizes images by their first bytes, so that a file of another kind is not stored as one."""

from __future__ import annotations

SIGNATURES = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",
    b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\0\0\0\x0cJXL ", b"\xff\x0a", b"\0\0\1\0", b"8BPS", b"qoif", b"DDS ",
    b"icns", b"\x01\xda", b"\x59\xa6\x6a\x95", *(b"\x0a%c" % version for version in (0, 2, 3, 4, 5)),
    *(b"P%c%c" % (kind, end) for kind in b"1234567fF" for end in b" \t\r\n#"),
)  # fmt: skip
"""PNG, JPEG, GIF, BMP, TIFF and BigTIFF, JPEG 2000, JPEG XL, ICO, Photoshop, QOI, DDS, ICNS, SGI, Sun raster, PCX, and
the formats of Netpbm, PFM among them."""
BOX, RIFF = b"ftyp", b"RIFF"
"""AVIF and HEIC begin with a size and this word; WebP with this word and a size."""
TARGA_BYTES, TARGA_KINDS, TARGA_DEPTHS = 18, (1, 2, 3, 9, 10, 11), (1, 8, 15, 16, 24, 32)
"""Of its header, which has no signature (Truevision TGA File Format Specification 2.0; Pillow also writes 1 bit)."""


def looks_like_image(data: bytes) -> bool:
    """Whether bytes begin as a format of images does; they may still be damaged."""
    has_signature = data.startswith(SIGNATURES) or data[4:8] == BOX or (data[:4] == RIFF and data[8:12] == b"WEBP")
    return has_signature or _looks_like_targa(data)


def _looks_like_targa(data: bytes) -> bool:
    is_header = len(data) >= TARGA_BYTES and data[1] in (0, 1) and data[2] in TARGA_KINDS and data[16] in TARGA_DEPTHS
    return is_header and data[12:14] != b"\0\0" != data[14:16]
