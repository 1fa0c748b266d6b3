"""Faults planted into real digits: how many are found, and how many are false alarms."""

import io
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from headrace.contracts import CheckedBatch, Spec
from headrace.data.cleaning.checks import CHECKS
from headrace.data.cleaning.label_errors import find_label_errors
from headrace.data.cleaning.near_duplicates import find_near_pairs, group_pairs
from headrace.data.image.cleaning.checker import ImageChecker
from headrace.data.image.reading.packaged_digits import load_mnist5k_table
from headrace.data.image.reading.rows import BATCH_ROWS, encode_png

EXAMINER = ImageChecker()
OPTIONS = {name: check.options for name, check in CHECKS.items() if "image" in check.modalities}
SPEC = Spec(modality="image", task="classification", source="mnist5k", format="mnist5k", num_rows=5120)
NUM_DIGITS = 5000


class Planted(NamedTuple):
    images: list[bytes]
    """5,000 digits, 20 broken ones, 50 copies, 25 encoded again, 25 moved by a pixel."""
    labels: np.ndarray
    originals: np.ndarray
    """`[rows]`: what a row is a copy of; its own place for the others."""
    flipped: np.ndarray
    """Rows with a wrong label."""


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


def moved(pixels: np.ndarray, way: int) -> np.ndarray:
    return np.roll(pixels, (1, 1, -1, -1)[way], axis=way % 2)


@pytest.fixture(scope="module")
def planted() -> Planted:
    table, rng = load_mnist5k_table(), np.random.default_rng(11)
    pixels, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int64)
    images = [encode_png(image) for image in pixels]
    chosen = rng.choice(NUM_DIGITS, 220, replace=False)
    broken, copied, near, flipped = np.split(chosen, [20, 70, 120])
    images += [images[row][: len(images[row]) // 2] if row % 2 else rng.bytes(200) for row in broken]
    images += [images[row] for row in copied]
    images += [jpeg(pixels[row]) for row in near[:25]]
    images += [encode_png(moved(pixels[row], place % 4)) for place, row in enumerate(near[25:])]
    sources = np.concatenate([broken, copied, near])
    labels = np.concatenate([labels, labels[sources]])
    labels[flipped] = (labels[flipped] + rng.integers(1, 10, len(flipped))) % 10
    originals = np.concatenate([np.arange(NUM_DIGITS + 20), copied, near])
    return Planted(images, labels, originals, flipped)


@pytest.fixture(scope="module")
def examined(planted: Planted) -> CheckedBatch:
    parts = []
    for start in range(0, len(planted.images), BATCH_ROWS):
        batch = pa.record_batch({"image": pa.array(planted.images[start : start + BATCH_ROWS], pa.binary())})
        part = EXAMINER.check_batch(batch, SPEC, {}, OPTIONS)
        moved_on = [finding._replace(row=finding.row + start) for finding in part.findings]
        parts.append(part._replace(findings=moved_on))
    joined = [
        np.concatenate([getattr(part, name) for part in parts]) for name in ("keys", "hashes", "sketches", "features")
    ]
    return CheckedBatch([finding for part in parts for finding in part.findings], *joined, measures={})


def first_with_key(examined: CheckedBatch) -> np.ndarray:
    """By row: the first that has the same content."""
    _, first, same = np.unique(examined.keys, return_index=True, return_inverse=True)
    return first[same]


def test_all_broken_images_are_found_and_nothing_else(examined: CheckedBatch) -> None:
    found = [(finding.row, finding.check) for finding in examined.findings]
    assert found == [(row, "undecodable") for row in range(NUM_DIGITS, NUM_DIGITS + 20)]


def test_all_exact_copies_are_found_and_nothing_else(planted: Planted, examined: CheckedBatch) -> None:
    copies = range(NUM_DIGITS + 20, NUM_DIGITS + 70)
    first = first_with_key(examined)
    assert first[copies].tolist() == planted.originals[copies].tolist()
    others = np.setdiff1d(np.flatnonzero(examined.keys != b""), copies)
    assert first[others].tolist() == others.tolist()


def test_near_duplicates_are_found(planted: Planted, examined: CheckedBatch) -> None:
    usable = (examined.keys != b"") & (first_with_key(examined) == np.arange(len(examined.keys)))
    pairs = find_near_pairs(
        examined.hashes, examined.sketches, EXAMINER.similarity, EXAMINER.similarity_threshold, usable=usable
    )
    clusters = group_pairs(pairs, len(planted.images))
    near = np.arange(NUM_DIGITS + 70, NUM_DIGITS + 120)
    assert (clusters[near] == clusters[planted.originals[near]]).mean() >= 0.9
    others = np.setdiff1d(pairs, np.concatenate([near, planted.originals[near]]))
    assert len(others) <= 0.002 * NUM_DIGITS


def test_wrong_labels_are_found(planted: Planted, examined: CheckedBatch) -> None:
    # a copy has the right label of its original: only the digits themselves are checked
    digits = slice(0, NUM_DIGITS)
    doubted, suggested = find_label_errors(
        examined.features[digits], planted.labels[digits], **CHECKS["label_error"].options
    )
    is_flipped = np.isin(doubted, planted.flipped)
    assert is_flipped.sum() >= 0.7 * len(planted.flipped)
    assert (~is_flipped).sum() <= 0.02 * (NUM_DIGITS - len(planted.flipped))
    true_labels = load_mnist5k_table()[:, -1]
    assert (suggested[is_flipped] == true_labels[doubted[is_flipped]]).mean() >= 0.9
