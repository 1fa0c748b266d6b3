import numpy as np
import pyarrow as pa
import pytest

from headrace.data.image.decode import UndecodableError
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
    encoded = Encoder(transform, {})([{"image": image} for image in images])
    assert encoded.dtype == np.uint8
    assert np.array_equal(encoded, stored)


def test_encoder_refuses_bytes_that_are_not_an_image() -> None:
    with pytest.raises(UndecodableError, match="none of the formats"):
        Encoder({"input_shape": [4, 4, 1], "resize": "pad"}, {})([{"image": b"text"}])
