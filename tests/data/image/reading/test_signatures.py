import io
import struct
from contextlib import suppress

import pytest
from PIL import Image

from headrace.data.image.reading.signatures import looks_like_image
from headrace.data.sources.image_formats import FORMATS

SUN_HEADER = struct.pack(">8I", 0x59A66A95, 4, 4, 8, 16, 1, 0, 0)
"""Pillow does not write the format."""


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_that_is_read_is_recognized(name: str) -> None:
    files = [SUN_HEADER] if name == "SUN" else []
    for mode in ("1", "L", "RGB", "F"):
        buffer = io.BytesIO()
        with suppress(OSError, KeyError, ValueError):  # formats differ in the modes that they have
            Image.new(mode, (16, 16)).save(buffer, name)
            files.append(buffer.getvalue())
    assert files
    assert all(looks_like_image(data) for data in files)


@pytest.mark.parametrize("data", [b"", b"root:x:0:0:", b"%PDF-1.7", b"PK\x03\x04", b"<svg>", b"RIFF\0\0\0\0WAVE"])
def test_other_files_are_not(data: bytes) -> None:
    assert not looks_like_image(data)
