import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from headrace.data.image.cleaning.thumbnail import SIDE_PX, render_thumbnail
from headrace.data.image.reading.rows import encode_png

NOISE = np.random.default_rng(0).integers(0, 256, (1200, 900, 3), np.uint8)


@pytest.mark.parametrize(
    ("pixels", "kind", "size", "shown"),
    [
        (NOISE[:28, :28, 0], "PNG", (28, 28), (96, 96)),
        (NOISE, "JPEG", (72, 96), (72, 96)),
        (NOISE[:1], "PNG", (96, 1), (96, 1)),
    ],
)
def test_thumbnail_is_small(pixels: np.ndarray, kind: str, size: tuple[int, int], shown: tuple[int, int]) -> None:
    html = render_thumbnail({"row_id": "ab", "image": encode_png(pixels), "path": None})
    match = re.fullmatch(r'<img src="data:image/(\w+);base64,(\S+)" width="(\d+)" height="(\d+)" alt="ab" .*>', html)
    assert match is not None
    image = Image.open(io.BytesIO(base64.b64decode(match[2])))
    assert (image.format, image.size) == (kind, size)
    assert (int(match[3]), int(match[4])) == shown
    assert max(shown) <= SIDE_PX
    assert len(html) < 20_000


def test_undecodable_image_shows_the_reason() -> None:
    html = render_thumbnail({"row_id": "ab", "image": b"no image", "path": "a.png"})
    assert html.startswith("<span")
    assert "none of the formats" in html


def test_names_are_escaped() -> None:
    html = render_thumbnail({"row_id": "ab", "image": encode_png(NOISE[:4, :4]), "path": '"><script>'})
    assert "<script>" not in html
    assert "&quot;&gt;&lt;script&gt;" in html
