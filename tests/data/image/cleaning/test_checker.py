import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

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
CHECKER = ImageChecker()


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
    return CHECKER.check_batch(batch_of(*images), SPEC, {}, options)


def checks(checked: CheckedBatch) -> list[tuple[int, str]]:
    return [(finding.row, finding.check) for finding in checked.findings]


def test_empty_and_undecodable_images_are_reported() -> None:
    checked = examine(encoded(NOISE), b"", encoded(NOISE)[:45])
    assert checks(checked) == [(1, "undecodable"), (2, "undecodable")]
    assert checked.findings[0].reason == "0 bytes"
    assert "0x" not in checked.findings[1].reason  # no memory address: the same bytes give the same reason
    assert checked.keys[0] != b""
    assert checked.keys[1:].tolist() == [b"", b""]
    assert np.isnan(checked.features).all(axis=1).tolist() == [False, True, True]
    assert np.isnan(checked.measures["width"]).tolist() == [False, True, True]


def test_key_depends_on_pixels_and_shape() -> None:
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


def test_results_of_a_row_do_not_depend_on_its_batch() -> None:
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


def test_sketches_and_features_are_omitted_if_no_check_needs_them() -> None:
    checked = examine(encoded(NOISE), without=("near_duplicate", "label_error"))
    assert checked.hashes.shape == checked.sketches.shape == checked.features.shape == (1, 0)
    assert tuple(checked.measures) == MEASURES
    assert checked.measures["width"].tolist() == [64]


def test_examine_of_no_rows_returns_empty_arrays() -> None:
    checked = examine()
    assert not checked.findings
    assert len(checked.keys) == len(checked.hashes) == len(checked.features) == 0


def test_checked_batch_can_be_pickled() -> None:
    checked = examine(encoded(NOISE), b"x")
    copy = pickle.loads(pickle.dumps(checked))
    assert copy.findings == checked.findings
    assert np.array_equal(copy.sketches, checked.sketches)


class Batches(list[pa.RecordBatch]):
    """Rows that are mapped in this process."""

    def map(self, work: Callable[[pa.RecordBatch], Any]) -> Iterator[Any]:
        return map(work, self)


def test_deep_images_are_measured_by_the_range_of_all() -> None:
    deep, flat = NOISE.astype(np.uint16) * 16, np.full((64, 64), 2000, np.uint16)
    rows = [batch_of(encoded(deep), b"x"), batch_of(encoded(NOISE), encoded(flat), encoded(deep // 16))]
    survey = CHECKER.survey(Batches(rows), SPEC, OPTIONS)
    assert survey == {"image_range": (0, 4095)}
    checked = CHECKER.check_batch(rows[1], SPEC, survey, {"blank": {"below": 1.0}, "dark": {"below": 32.0}})
    assert checks(checked) == [(1, "blank"), (2, "dark")]
    same = CHECKER.check_batch(rows[0], SPEC, survey, {"blank": {"below": 1.0}})
    assert same.measures["brightness"][0] == pytest.approx(checked.measures["brightness"][0], abs=1)


def test_rows_pass_unchanged() -> None:
    batch = batch_of(encoded(NOISE), b"x")
    assert CHECKER.survey(Batches([batch]), SPEC, OPTIONS) == {}
    assert CHECKER.check_columns(SPEC, {}, OPTIONS) == []
    assert CHECKER.clean_schema(batch.schema, SPEC) == batch.schema
    repaired = CHECKER.repair(batch, SPEC, {}, OPTIONS)
    assert repaired.batch is batch
    assert repaired.originals == [None, None]
