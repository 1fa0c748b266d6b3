import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from headrace.data.image.decode import OWN_RANGE, decode_image, decode_to_shape, load_image, map_images
from headrace.data.image.open_image import UndecodableError

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


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_decode_sixteen_bits_without_a_range_is_scaled_from_their_full_one(kind: str) -> None:
    data = encoded(Image.fromarray(RAMP.astype(np.uint16) * 257), kind)
    assert np.abs(decode_image(data)[..., 0].astype(int) - RAMP).max() <= 1  # JPEG 2000 is lossy


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_decode_scales_deep_values_by_the_range(dtype: type) -> None:
    values = (RAMP.astype(dtype) * 16 - (100 if dtype is not np.uint16 else 0)).astype(dtype)
    low, high = float(values.min()), float(values.max())
    pixels = decode_image(encoded(Image.fromarray(values), "TIFF"), (low, high))[..., 0]
    assert np.array_equal(pixels, np.rint(RAMP * (255 / 220)))
    clipped = decode_image(encoded(Image.fromarray(values), "TIFF"), (low + 320, high - 320))[..., 0]
    assert (clipped[RAMP <= 20] == 0).all()
    assert (clipped[RAMP >= 200] == 255).all()


@pytest.mark.parametrize("value_range", [None, (0, 4095)])
def test_decode_leaves_eight_bits_as_they_are(value_range: tuple[int, int] | None) -> None:
    assert np.array_equal(decode_image(encoded(Image.fromarray(RAMP)), value_range)[..., 0], RAMP)


@pytest.mark.parametrize("values", [RAMP.astype(np.float32) / 220, RAMP.astype(np.int32) - 100])
def test_decode_of_values_of_unknown_range_is_refused(values: np.ndarray) -> None:
    data = encoded(Image.fromarray(values), "TIFF")
    with pytest.raises(UndecodableError, match=r"^pixels from .* of unknown range: no train image has more"):
        decode_image(data)
    assert np.ptp(decode_image(data, OWN_RANGE)) > 128


@pytest.mark.parametrize("orientation", [1, *range(2, 9)])
def test_decode_turns_by_the_orientation_alone(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode_image(encoded(Image.fromarray(RAMP), exif=exif))[..., 0]
    with Image.open(io.BytesIO(encoded(Image.fromarray(RAMP), exif=exif))) as image:
        assert np.array_equal(pixels, np.asarray(ImageOps.exif_transpose(image)))


def test_decode_turns_a_photo_with_an_odd_exif_tag() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    data = encoded(Image.fromarray(RAMP), "JPEG", exif=exif, quality=100)
    odd = data.replace(b"\x01\x0f\x00\x02", b"\x01\x1a\x00\x02")  # the resolution, as a text
    assert odd != data
    with Image.open(io.BytesIO(odd)) as image, pytest.raises((TypeError, ValueError, AttributeError)):
        ImageOps.exif_transpose(image)
    assert np.array_equal(decode_image(odd), decode_image(data))


def test_decode_animation_is_its_first_frame() -> None:
    frames = [Image.new("L", (3, 2), value) for value in (10, 200)]
    animation = load_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert animation.to_pixels().tolist() == [[[10]] * 3] * 2
    assert animation.is_animated
    assert not load_image(encoded(frames[0], "GIF")).is_animated


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_decode_truncated_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    with pytest.raises(UndecodableError):
        decode_image(encoded(Image.fromarray(noise), kind)[:200])


@pytest.mark.parametrize("data", [b"", b"not an image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_decode_other_formats_are_refused_with_those_allowed(data: bytes) -> None:
    with pytest.raises(UndecodableError, match="none of the formats BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP, AVIF"):
        decode_image(data)


def test_decode_of_many_pixels_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = np.repeat(np.repeat(RAMP, 8, axis=0), 8, axis=1)  # 24 x 32
    png, jpeg = encoded(Image.fromarray(wide)), encoded(Image.fromarray(wide), "JPEG", quality=100)
    for limit, shapes in [
        (384, [(24, 32), (24, 32)]),  # warned of by Pillow, but decoded
        (192, [None, (12, 16)]),  # only the JPEG, at half its size
        (90, [None, None]),
    ]:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        results = map_images([png, jpeg], lambda data: decode_image(data).shape[:2])
        assert [result if isinstance(result, tuple) else None for result in results] == shapes
        for error in (result for result in results if isinstance(result, UndecodableError)):
            assert str(error).startswith(f"more than {2 * limit} pixels (JPEG: {4 * limit}), the most that are decoded")


@settings(deadline=None)  # a busy machine is slow
@given(st.binary(max_size=64), st.integers(0, 80))
def test_decode_of_damaged_bytes_gives_pixels_or_undecodable_error(noise: bytes, start: int) -> None:
    damaged = bytearray(encoded(Image.fromarray(RAMP)))
    damaged[start : start + len(noise)] = noise
    (result,) = map_images([bytes(damaged)], lambda data: decode_image(data).shape)
    assert isinstance(result, UndecodableError) or len(result) == 3


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "P", "1", "I;16"])
def test_load_image_returns_the_mode_of_the_file(mode: str) -> None:
    decoded = load_image(encoded(Image.new(mode, (3, 2))))
    assert decoded.mode == mode
    assert decoded.image.size == (3, 2)


@pytest.mark.parametrize("rule", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_decode_to_shape_is_pillows_bilinear_resizing(rule: str, channels: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    data = encoded(Image.fromarray(noise), "JPEG")
    pixels = decode_to_shape(data, (30, 40, channels), rule)  # of the same aspect: no rule cuts or pads
    image = Image.open(io.BytesIO(data)).convert("L" if channels == 1 else "RGB")
    assert np.array_equal(pixels, np.asarray(image.resize((40, 30), Image.Resampling.BILINEAR)).reshape(30, 40, -1))


def test_map_images_keeps_the_order() -> None:
    images = [encoded(Image.new("L", (1, 1), value)) for value in range(200)]
    images[64] = b"x"
    values = map_images(images, lambda data: int(decode_image(data)[0, 0, 0]))
    assert isinstance(values[64], UndecodableError)
    assert [v for v in values if not isinstance(v, UndecodableError)] == [v for v in range(200) if v != 64]
