import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from headrace.data.image.decode import decode_image, load_image
from headrace.data.image.deep_values import find_raw_mode, is_deep, read_deep_values
from headrace.data.image.open_image import open_image
from headrace.data.image.survey import survey_image

RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOURS = np.stack([RAMP * 16.0, 4000 - RAMP * 16.0, RAMP[::-1] * 8.0 + 7], axis=2).astype(np.uint16)


def tiff(values: np.ndarray, **tags: int) -> bytes:
    """An uncompressed grey TIFF with one strip, whose tags Pillow would not write."""
    fields = {
        256: values.shape[1], 257: values.shape[0], 258: 8 * values.itemsize, 259: 1, 262: tags.get("photometric", 1),
        273: 8, 277: 1, 278: values.shape[0], 279: values.nbytes, 339: {"u": 1, "i": 2, "f": 3}[values.dtype.kind],
    }  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields.items())
    start = b"II*\0" + struct.pack("<I", 8 + values.nbytes)
    return start + values.tobytes() + struct.pack("<H", len(fields)) + entries + bytes(4)


def png(colours: np.ndarray) -> bytes:
    """A PNG of 16 bits for each colour, which Pillow does not write."""
    height, width, channels = colours.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in colours)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")):
        data += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_white_as_zero_is_inverted_for_any_depth(dtype: type) -> None:
    pixels = decode_image(tiff(RAMP.astype(dtype), photometric=0), (0, 255))[..., 0]
    assert np.array_equal(pixels, 255 - RAMP)


def test_signed_and_large_unsigned_values_are_not_taken_for_others() -> None:
    signed = (RAMP // 4 - 27).astype(np.int8)
    assert np.array_equal(decode_image(tiff(signed), (-128, 127))[..., 0], signed.astype(int) + 128)
    unsigned = RAMP.astype(np.uint32) << 24
    assert np.array_equal(decode_image(tiff(unsigned), (0, 255 << 24))[..., 0], RAMP)


def test_colours_of_sixteen_bits_have_both_bytes() -> None:
    data = png(COLOURS)
    with open_image(data) as image:
        raw_mode = find_raw_mode(image)
        image.load()
        deep = read_deep_values(image, raw_mode, data)
    assert deep is not None
    assert np.array_equal(deep.values, COLOURS)
    assert load_image(data).mode == "RGB;16B"
    assert survey_image(data)[1:] == (False, (0, 4000, True), 1)
    assert np.array_equal(decode_image(data, (0, 4095)), np.rint(COLOURS / 4095 * 255))


def test_colours_of_sixteen_bits_are_blended_with_white_by_their_transparency() -> None:
    alpha = np.full((3, 4, 1), 65535, np.uint16)
    alpha[0] = 0
    pixels = decode_image(png(np.concatenate([COLOURS, alpha], axis=2)), (0, 4095))
    assert (pixels[0] == 255).all()
    assert np.array_equal(pixels[1:], np.rint(COLOURS[1:] / 4095 * 255))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_images_of_eight_bits_are_not_deep(mode: str, kind: str) -> None:
    if (mode, kind) == ("CMYK", "PNG"):
        return
    buffer = io.BytesIO()
    Image.new(mode, (3, 2)).save(buffer, kind)
    with open_image(buffer.getvalue()) as image:
        assert not is_deep(image, find_raw_mode(image))
        assert read_deep_values(image, find_raw_mode(image), buffer.getvalue()) is None
