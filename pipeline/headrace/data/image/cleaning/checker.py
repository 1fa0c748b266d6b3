"""The checks of images: what a look at each finds, once it is decoded."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import CheckedBatch, ColumnFinding, Finding, Json, Repaired, Rows, Spec
from headrace.data.image.cleaning import perceptual_hash
from headrace.data.image.cleaning.decoded_batches import Stack, stacks
from headrace.data.image.cleaning.features import NUM_FEATURES, features
from headrace.data.image.cleaning.quality_checks import check_quality
from headrace.data.image.cleaning.quality_measures import greys, measures
from headrace.data.image.cleaning.thumbnail import picture
from headrace.data.image.decode import quiet_decoders

MEASURES = ("width", "height", "brightness", "contrast", "percentile_1", "percentile_99", "sharpness")


class ImageExaminer:
    """Judges images by their pixels; leaves their bytes as they are, since the decoder mends what is to be mended."""

    similarity_threshold = 0.98
    """Correlation of thumbnails from which on two images are near-duplicates.

    Copies at JPEG quality 60 have 0.983 and more in 99 % of cases; of 5,000 digits by hand 4 are as like another.
    """

    def survey(self, rows: Rows, spec: Spec, options: Json) -> Json:  # noqa: ARG002
        """Nothing: an image is judged by itself."""
        return {}

    def examine(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> CheckedBatch:  # noqa: ARG002
        """Decodes each image once; near-duplicates and features are left out where no check asks for them."""
        examined = _unexamined(batch.num_rows, options)
        with quiet_decoders():
            for found in stacks(batch.column("image").to_pylist()):
                if isinstance(found, Stack):
                    _look(found, examined, options)
                elif "undecodable" in options:
                    examined.findings.append(Finding(found.row, "undecodable", found.reason))
        examined.findings.sort()
        return examined

    def columns(self, spec: Spec, survey: Json, options: Json) -> list[ColumnFinding]:  # noqa: ARG002
        """None: an image is one column."""
        return []

    def schema(self, raw: pa.Schema, spec: Spec) -> pa.Schema:  # noqa: ARG002
        """The raw one."""
        return raw

    def repair(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> Repaired:  # noqa: ARG002
        """The raw rows."""
        return Repaired(batch, [None] * batch.num_rows)

    def similarity(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of sketches `[pairs, bytes]` -> `[pairs]` in [0, 1]: the correlation of the images' thumbnails."""
        return perceptual_hash.similarity(first, second)

    def picture(self, row: Json) -> str:
        """HTML (safe) that shows a raw row's image, made small."""
        return picture(row)


def _unexamined(num_rows: int, options: Json) -> CheckedBatch:
    """What is said of images that cannot be decoded: nothing."""
    bands, sketch = (perceptual_hash.NUM_BANDS, perceptual_hash.NUM_BYTES) if "near_duplicate" in options else (0, 0)
    return CheckedBatch(
        findings=[],
        keys=np.zeros(num_rows, "S16"),
        hashes=np.zeros((num_rows, bands), np.uint64),
        sketches=np.zeros((num_rows, sketch), np.uint8),
        features=np.full((num_rows, NUM_FEATURES if "label_error" in options else 0), np.nan, np.float32),
        measures={name: np.full(num_rows, np.nan, np.float32) for name in MEASURES},
    )


def _look(stack: Stack, examined: CheckedBatch, options: Json) -> None:
    """Writes what is found into the rows of `examined`."""
    rows, pixels = stack.rows, stack.pixels
    examined.keys[rows] = [_content_key(image) for image in pixels]
    height, width = (np.full(len(rows), side, np.float32) for side in pixels.shape[1:3])
    found = {"width": width, "height": height, **measures(pixels)}
    for name, values in found.items():
        examined.measures[name][rows] = values
    examined.findings.extend(check_quality(stack, found, options))
    if not examined.sketches.shape[1] and not examined.features.shape[1]:
        return
    small = perceptual_hash.thumbnails(pixels)
    grey = greys(small)
    if examined.sketches.shape[1]:
        sketched = perceptual_hash.sketches(grey)
        examined.sketches[rows], examined.hashes[rows] = sketched, perceptual_hash.hashes(sketched)
    if examined.features.shape[1]:
        examined.features[rows] = features(small, grey)


def _content_key(pixels: NDArray[np.uint8]) -> bytes:
    return blake2b(pixels.data, digest_size=16, key=repr(pixels.shape).encode()).digest()
