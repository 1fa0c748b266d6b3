"""Recognizes images by their first bytes, so that a file of another kind is not stored as one."""

from __future__ import annotations

SIGNATURES = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",
    b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\0\0\0\x0cJXL ", b"\xff\x0a", b"\0\0\1\0", b"8BPS", b"qoif",
    *(b"P%d%c" % (number, end) for number in range(1, 8) for end in b" \t\r\n#"),
)  # fmt: skip
"""PNG, JPEG, GIF, BMP, TIFF and BigTIFF, JPEG 2000, JPEG XL, ICO, Photoshop, QOI, and the formats of Netpbm."""
BOX, RIFF = b"ftyp", b"RIFF"
"""AVIF and HEIC begin with a size and this word; WebP with this word and a size."""


def looks_like_image(data: bytes) -> bool:
    """Whether bytes begin as a format of images does; they may still be damaged."""
    return data.startswith(SIGNATURES) or data[4:8] == BOX or (data[:4] == RIFF and data[8:12] == b"WEBP")
