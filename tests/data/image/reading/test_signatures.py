import io

import pytest
from PIL import Image

from headrace.data.image.reading.signatures import looks_like_image
from headrace.data.sources.image_formats import EXTENSIONS

FORMATS = Image.registered_extensions()


@pytest.mark.parametrize("name", sorted({FORMATS[extension] for extension in EXTENSIONS if extension in FORMATS}))
def test_every_format_that_is_read_is_recognized(name: str) -> None:
    for mode in ("1", "L", "RGB"):
        buffer = io.BytesIO()
        Image.new(mode if (name, mode) != ("MPO", "1") else "L", (4, 4)).save(buffer, name)
        assert looks_like_image(buffer.getvalue()), mode


@pytest.mark.parametrize("data", [b"", b"root:x:0:0:", b"%PDF-1.7", b"PK\x03\x04", b"<svg>", b"RIFF\0\0\0\0WAVE"])
def test_other_files_are_not(data: bytes) -> None:
    assert not looks_like_image(data)
