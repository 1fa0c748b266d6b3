import base64
import io

import numpy as np
import pytest
from PIL import Image

from headrace.explanation.figures import draw_heat_map, encode_image


def decode(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))))


@pytest.mark.parametrize("channels", [1, 3])
def test_encode_image_is_lossless(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, channels), dtype=np.uint8)
    assert (decode(encode_image(pixels)).reshape(pixels.shape) == pixels).all()


def test_heat_map_is_red_for_blue_against_and_pale_for_zero() -> None:
    red, blue, pale = decode(draw_heat_map(np.array([[1.0, -1.0, 0.0]], np.float32)))[0].astype(int)
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    assert (pale > 240).all()
    assert (decode(draw_heat_map(np.zeros((2, 2), np.float32))) > 240).all()


def test_heat_map_is_darker_where_the_image_is_bright() -> None:
    pixels = np.array([[[0], [255]]], np.uint8)
    dark, bright = decode(draw_heat_map(np.zeros((1, 2), np.float32), pixels))[0].astype(int)
    assert (dark > bright + 50).all()
