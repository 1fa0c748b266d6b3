import io
import pickle

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from headrace.contracts import CheckedBatch, Spec
from headrace.data.cleaning.checks import CHECKS
from headrace.data.image.cleaning.checker import MEASURES, ImageChecker
from headrace.data.image.reading.rows import RAW_SCHEMA

OPTIONS = {name: check.options for name, check in CHECKS.items() if "image" in check.modalities}
SPEC = Spec(modality="image", task="classification", source="drawn", format="folder", num_rows=0)
PIXELS = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (64, 64), np.uint8)
EXAMINER = ImageChecker()


def encoded(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def batch_of(*images: bytes) -> pa.RecordBatch:
    rows = [{"row_id": f"{row:032x}", "image": image, "label": "a"} for row, image in enumerate(images)]
    return pa.RecordBatch.from_pylist(rows, RAW_SCHEMA)


def examine(*images: bytes, without: tuple[str, ...] = ()) -> CheckedBatch:
    options = {name: given for name, given in OPTIONS.items() if name not in without}
    return EXAMINER.examine(batch_of(*images), SPEC, {}, options)


def checks(examined: CheckedBatch) -> list[tuple[int, str]]:
    return [(finding.row, finding.check) for finding in examined.findings]


def test_examine_tells_empty_and_undecodable() -> None:
    examined = examine(encoded(NOISE), b"", encoded(NOISE)[:45])
    assert checks(examined) == [(1, "undecodable"), (2, "undecodable")]
    assert examined.findings[0].reason == "0 bytes"
    assert "0x" not in examined.findings[1].reason  # no memory address: the same bytes give the same reason
    assert examined.keys[0] != b""
    assert examined.keys[1:].tolist() == [b"", b""]
    assert np.isnan(examined.features).all(axis=1).tolist() == [False, True, True]
    assert np.isnan(examined.measures["width"]).tolist() == [False, True, True]


def test_examine_key_is_of_pixels_and_shape() -> None:
    images = [
        encoded(PIXELS),
        encoded(PIXELS, compress_level=0),  # other bytes, same pixels
        encoded(PIXELS.reshape(8, 6)),  # same values, another shape
        encoded(PIXELS + 1),
    ]
    keys = examine(*images).keys
    assert keys.dtype == "S16"
    assert keys[0] == keys[1]
    assert len(set(keys.tolist())) == 3


def test_examine_gives_each_row_what_is_its_own_whatever_stands_beside_it() -> None:
    images = [encoded(RNG.integers(0, 256, shape, np.uint8)) for shape in [(28, 28), (40, 60, 3), (28, 28), (9, 33, 3)]]
    together = examine(*images)
    for row, image in enumerate(images):
        alone = examine(image)
        assert alone.keys[0] == together.keys[row]
        for name in ("hashes", "sketches", "features"):
            np.testing.assert_allclose(getattr(alone, name)[0], getattr(together, name)[row], rtol=1e-5)
        assert {name: values[row] for name, values in together.measures.items()} == pytest.approx(
            {name: values[0] for name, values in alone.measures.items()}
        )


@pytest.mark.parametrize(
    ("check", "image"),
    [
        ("blank", np.full((20, 20), 128, np.uint8)),
        ("dark", NOISE // 16),
        ("bright", 255 - NOISE // 16),
        ("blurred", np.repeat(np.arange(64, dtype=np.uint8)[None] * 3, 64, axis=0)),
        ("aspect_outlier", NOISE[:10]),
        ("mode", Image.fromarray(NOISE).convert("RGBA")),
        ("mode", Image.fromarray(NOISE).convert("CMYK")),
        ("mode", Image.fromarray(NOISE.astype(np.uint16) * 256)),
        ("mode", Image.fromarray(NOISE).convert("P")),
    ],
)
def test_examine_finds(check: str, image: np.ndarray | Image.Image) -> None:
    kind = "TIFF" if isinstance(image, Image.Image) and image.mode == "CMYK" else "PNG"
    examined = examine(encoded(NOISE), encoded(image, kind))
    assert checks(examined) == [(1, check)]
    assert examined.findings[0].reason
    assert not examine(encoded(image, kind), without=(check, *(["blurred"] if check == "blank" else []))).findings


def test_examine_digits_and_noise_are_in_order() -> None:
    digit = np.zeros((28, 28), np.uint8)
    digit[6:22, 12:16] = 255
    assert not examine(encoded(digit), encoded(255 - digit), encoded(NOISE)).findings


def test_examine_colours_of_equal_brightness_are_not_blank() -> None:
    red_and_grey = np.full((20, 20, 3), 76, np.uint8)
    red_and_grey[::2] = (255, 0, 0)
    assert "blank" not in dict(checks(examine(encoded(red_and_grey)))).values()


def test_examine_makes_only_what_a_check_asks_for() -> None:
    examined = examine(encoded(NOISE), without=("near_duplicate", "label_error"))
    assert examined.hashes.shape == examined.sketches.shape == examined.features.shape == (1, 0)
    assert tuple(examined.measures) == MEASURES
    assert examined.measures["width"].tolist() == [64]


def test_examine_without_rows() -> None:
    examined = examine()
    assert not examined.findings
    assert len(examined.keys) == len(examined.hashes) == len(examined.features) == 0


def test_examined_can_be_sent_to_another_process() -> None:
    examined = examine(encoded(NOISE), b"x")
    copy = pickle.loads(pickle.dumps(examined))
    assert copy.findings == examined.findings
    assert np.array_equal(copy.sketches, examined.sketches)


def test_rows_pass_unchanged() -> None:
    batch = batch_of(encoded(NOISE), b"x")
    assert EXAMINER.survey(None, SPEC, OPTIONS) == {}
    assert EXAMINER.columns(SPEC, {}, OPTIONS) == []
    assert EXAMINER.schema(batch.schema, SPEC) == batch.schema
    repaired = EXAMINER.repair(batch, SPEC, {}, OPTIONS)
    assert repaired.batch is batch
    assert repaired.originals == [None, None]
