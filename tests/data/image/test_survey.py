import io
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from headrace.data.image import survey as module
from headrace.data.image.decode import OWN_RANGE, decode_image
from headrace.data.image.survey import (
    ImageSurvey,
    choose_size,
    map_rows,
    may_be_deep,
    merge_surveys,
    survey_batch,
    survey_depth,
    survey_image,
)
from headrace.errors import DataError

NOISE = np.random.default_rng(0).integers(0, 256, (40, 24, 3), np.uint8)
TURNED = Image.Exif()
TURNED[0x0112] = 6


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def batch_of(*images: bytes) -> pa.RecordBatch:
    return pa.record_batch({"row_id": [str(i) for i in range(len(images))], "image": pa.array(images, pa.binary())})


@pytest.mark.parametrize("options", [{}, {"exif": TURNED}])
@pytest.mark.parametrize("pixels", [NOISE, NOISE[..., 0]])
@pytest.mark.parametrize("kind", ["BMP", "JPEG", "PNG", "TIFF", "WEBP", "AVIF", "ICO", "JPEG2000", "GIF"])
def test_survey_agrees_with_the_decoded_image(kind: str, pixels: np.ndarray, options: dict[str, object]) -> None:
    data = encoded(pixels, kind, **options)
    decoded = decode_image(data)
    surveyed = survey_image(data)
    assert surveyed.sizes == {decoded.shape[:2]: 1}
    assert surveyed.is_grey is (decoded.shape[2] == 1)
    assert surveyed.num_deep == 0


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_survey_has_the_extent_of_deep_images(dtype: type) -> None:
    values = np.arange(1000).reshape(20, 50).astype(dtype)
    data = encoded(values, "TIFF")
    assert may_be_deep(data)
    assert survey_image(data) == (Counter([(20, 50)]), True, (0, 999, True), 1)
    assert survey_depth(batch_of(data, encoded(NOISE), b"x")) == (0, 999, True)
    assert np.ptp(decode_image(data, OWN_RANGE)) == pytest.approx(249, abs=1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_images_of_eight_bits_are_known_by_their_first_bytes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "survey_image", None)
    assert survey_depth(batch_of(encoded(NOISE, kind), b"")) is None


def test_survey_of_a_header_decodes_no_pixels() -> None:
    data = encoded(NOISE)
    assert survey_image(data[:100]).sizes == {(40, 24): 1}


def test_surveys_add_up_in_any_order() -> None:
    batches = [batch_of(encoded(NOISE), encoded(NOISE[:9])), batch_of(), batch_of(encoded(NOISE[..., 0]))]
    surveys = [survey_batch(batch) for batch in batches]
    merged = merge_surveys(surveys)
    assert merged == merge_surveys(reversed(surveys))
    assert merged.sizes == {(40, 24): 2, (9, 24): 1}
    assert not merged.is_grey
    assert merged.median_size == (40, 24)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(375, 500)] * 9 + [(500, 375)], (112, 144)),  # of 128 x 128 pixels, by the median aspect
        ([(499, 489), (470, 500), (50, 74)], (128, 128)),
        ([(20, 20), (30, 31)], (24, 24)),
        ([(3, 3), (2, 2)], (8, 8)),
        ([(60, 1000), (62, 1000)], (64, 256)),  # aspects are bounded
        ([(1000, 60), (1000, 62)], (256, 64)),
    ],
)
def test_automatic_size_has_the_median_aspect_and_a_bounded_area(
    sizes: list[tuple[int, int]], expected: tuple[int, int]
) -> None:
    assert choose_size(ImageSurvey(Counter(sizes), is_grey=True, extent=None, num_deep=0)) == expected


def test_map_rows_names_an_undecodable_row() -> None:
    with pytest.raises(DataError, match=r"data/clean: row 1 cannot be decoded \(none of the formats .*; run: dvc"):
        map_rows(batch_of(encoded(NOISE), b"x"), decode_image)
