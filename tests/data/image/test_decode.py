import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from headrace.data.image.decode import UndecodableError, decode_image, decode_with_mode, map_decoded

RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_decode_grey_has_one_channel() -> None:
    assert np.array_equal(decode_image(encoded(Image.fromarray(RAMP))), RAMP[..., None])


def test_decode_colour_has_three_channels() -> None:
    colour = np.stack([RAMP, RAMP[::-1], RAMP.T.reshape(3, 4)], axis=2)
    assert np.array_equal(decode_image(encoded(Image.fromarray(colour))), colour)


@pytest.mark.parametrize(("mode", "channels"), [("LA", 1), ("RGBA", 3)])
def test_decode_blends_transparency_with_white(mode: str, channels: int) -> None:
    image = Image.new(mode, (2, 1), (0,) * channels + (0,))
    image.putpixel((1, 0), (40,) * channels + (255,))
    assert decode_image(encoded(image)).tolist() == [[[255] * channels, [40] * channels]]


def test_decode_blends_a_transparent_grey_level_with_white() -> None:
    assert decode_image(encoded(Image.fromarray(RAMP), transparency=0))[0, :2, 0].tolist() == [255, 20]


def test_decode_palette_is_grey_if_all_its_colours_are() -> None:
    image = Image.new("P", (2, 1))
    image.putpixel((1, 0), 1)
    image.putpalette([9, 9, 9, 70, 70, 70])
    assert decode_image(encoded(image)).tolist() == [[[9], [70]]]
    image.putpalette([9, 9, 9, 70, 80, 90])
    assert decode_image(encoded(image)).tolist() == [[[9, 9, 9], [70, 80, 90]]]


def test_decode_one_bit_becomes_black_and_white() -> None:
    assert decode_image(encoded(Image.fromarray(RAMP > 100))).ravel().tolist() == [
        255 * (v > 100) for v in RAMP.ravel()
    ]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_decode_sixteen_bits_keeps_the_high_byte(kind: str) -> None:
    assert np.array_equal(decode_image(encoded(Image.fromarray(RAMP.astype(np.uint16) * 257), kind))[..., 0], RAMP)


def test_decode_floating_point_is_refused() -> None:
    with pytest.raises(UndecodableError, match="floating-point pixels"):
        decode_image(encoded(Image.fromarray(RAMP.astype(np.float32)), "TIFF"))


def test_decode_cmyk_becomes_rgb() -> None:
    pixels = decode_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert pixels.shape == (8, 8, 3)
    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() < 8


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_decode_applies_the_exif_orientation(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    wide = np.zeros((8, 16), np.uint8)
    wide[:, :8] = 255
    pixels = decode_image(encoded(Image.fromarray(wide), kind, exif=exif))
    assert pixels.shape == (16, 8, 1)
    assert (pixels[:7] > 200).all()
    assert (pixels[9:] < 50).all()


def test_decode_animation_is_its_first_frame() -> None:
    frames = [Image.new("L", (3, 2), value) for value in (10, 200)]
    assert decode_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])).tolist() == [[[10]] * 3] * 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_decode_truncated_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    with pytest.raises(UndecodableError):
        decode_image(encoded(Image.fromarray(noise), kind)[:200])


@pytest.mark.parametrize("data", [b"", b"not an image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_decode_other_formats_are_refused_with_those_allowed(data: bytes) -> None:
    with pytest.raises(UndecodableError, match="none of the formats BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP"):
        decode_image(data)


@pytest.mark.parametrize("limit", [8, 4])
def test_decode_bomb_is_refused(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    bomb = encoded(Image.fromarray(RAMP))
    (error,) = map_decoded([bomb], np.sum)
    assert isinstance(error, UndecodableError)
    assert "pixels" in str(error)


@settings(deadline=None)  # a busy machine is slow
@given(st.binary(max_size=64), st.integers(0, 80))
def test_decode_of_damaged_bytes_gives_pixels_or_undecodable_error(noise: bytes, start: int) -> None:
    damaged = bytearray(encoded(Image.fromarray(RAMP)))
    damaged[start : start + len(noise)] = noise
    (result,) = map_decoded([bytes(damaged)], np.shape)
    assert isinstance(result, UndecodableError) or len(result) == 3


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "P", "1", "I;16"])
def test_decode_with_mode_returns_the_mode_of_the_file(mode: str) -> None:
    decoded = decode_with_mode(encoded(Image.new(mode, (3, 2))))
    assert decoded.mode == mode
    assert decoded.pixels.shape[:2] == (2, 3)


def test_map_decoded_keeps_the_order() -> None:
    images = [encoded(Image.new("L", (1, 1), value)) for value in range(200)]
    images[64] = b"x"
    values = map_decoded(images, lambda pixels: int(pixels[0, 0, 0]))
    assert isinstance(values[64], UndecodableError)
    assert [v for v in values if not isinstance(v, UndecodableError)] == [v for v in range(200) if v != 64]
