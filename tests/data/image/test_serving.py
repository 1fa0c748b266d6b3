import base64
import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from headrace.data.image.reading.rows import encode_png
from headrace.data.image.serving import Encoder
from headrace.data.image.transform import ImageTransform

NOISE = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_encoder_gives_the_arrays_that_training_stores(resize: str, channels: int) -> None:
    images = [encode_png(NOISE), encode_png(NOISE[:4, :, 0])]
    transform = {"input_shape": [6, 8, channels], "resize": resize}
    stored = ImageTransform().apply(pa.record_batch({"image": pa.array(images, pa.binary())}), transform)
    encoded = Encoder(transform, {})([{"image": image} for image in images]).inputs
    assert encoded.dtype == np.uint8
    assert np.array_equal(encoded, stored)


def test_encoder_scales_deep_images_as_training_does() -> None:
    deep = io.BytesIO()
    Image.fromarray(NOISE[..., 0].astype(np.uint16) * 16).save(deep, "PNG")
    card = {"input_shape": [6, 8, 1], "resize": "pad", "image_range": [0, 4095]}
    stored = ImageTransform().apply(pa.record_batch({"image": pa.array([deep.getvalue()], pa.binary())}), card)
    encoded = Encoder(card, {})([{"image": deep.getvalue()}]).inputs
    assert np.array_equal(encoded, stored)
    assert np.ptp(encoded) > 100


def test_encoder_accepts_base64_with_line_breaks() -> None:
    image = encode_png(NOISE)
    text = base64.encodebytes(image).decode()
    assert "\n" in text.strip()
    encoder = Encoder({"input_shape": [6, 8, 3], "resize": "pad"}, {})
    first, second = encoder([{"image": image}, {"image": text}]).inputs
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        (b"text", "cannot be decoded as an image (none of the formats BMP, "),
        (encode_png(NOISE)[:70], "cannot be decoded as an image (OSError: "),
        ("a path.png", "'a path.png' is not base64; send the bytes of an image file (over HTTP as base64)"),
        (7, "7 is a number; send the bytes"),
        (None, "missing; send the bytes"),
    ],
)
def test_encoder_refuses_what_is_not_an_image(cell: object, problem: str) -> None:
    encoder = Encoder({"input_shape": [4, 4, 1], "resize": "pad"}, {})
    (found,) = encoder([{"image": encode_png(NOISE)}, {"image": cell}]).problems
    assert found.describe().startswith(f"row 1, column 'image': {problem}")
    assert not found.is_answerable


def test_other_columns_of_the_source_may_be_sent() -> None:
    encoder = Encoder({"input_shape": [4, 4, 1], "resize": "pad", "other_columns": ["label"]}, {})
    (found,) = encoder([{"image": encode_png(NOISE), "label": "cat"}, {"label": "cat"}]).problems
    assert found.describe().startswith("row 1, column 'image': missing; a row has 'image'; send null")
