"""Checks the decoded images of raw rows."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import CheckedBatch, ColumnFinding, Finding, Json, Repaired, Rows, Spec
from headrace.data.image.cleaning import perceptual_hash
from headrace.data.image.cleaning.decoded_batches import Stack, stack_images
from headrace.data.image.cleaning.features import NUM_FEATURES, extract_features
from headrace.data.image.cleaning.quality_checks import check_quality
from headrace.data.image.cleaning.quality_measures import make_grey, measure_quality, to_grey
from headrace.data.image.cleaning.thumbnail import render_thumbnail
from headrace.data.image.open_image import suppress_decoder_warnings
from headrace.data.image.survey import survey_depth
from headrace.data.image.value_range import choose_range, merge_extents

MEASURES = ("width", "height", "brightness", "contrast", "percentile_1", "percentile_99", "sharpness")


class ImageChecker:
    """Checks images by their pixels; never repairs their bytes, since decoding already normalises them."""

    similarity_threshold = 0.98
    """Correlation of thumbnails at which two images count as near-duplicates.

    Of copies at JPEG quality 60, 99 % reach 0.983; of 5,000 different handwritten digits, 4 are as similar to another.
    """

    def survey(self, rows: Rows, spec: Spec, options: Json) -> Json:  # noqa: ARG002
        """Returns the `image_range` of images of more than 8 bits, by which they are measured; others need none."""
        extent = merge_extents(rows.map(survey_depth))
        return {} if extent is None else {"image_range": choose_range(extent)}

    def check_batch(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> CheckedBatch:  # noqa: ARG002
        """Decodes each image once; omits sketches and features if no check needs them."""
        checked = _empty_result(batch.num_rows, options)
        with suppress_decoder_warnings():
            for item in stack_images(batch.column("image").to_pylist(), survey.get("image_range")):
                if isinstance(item, Stack):
                    _check_stack(item, checked, options)
                elif "undecodable" in options:
                    checked.findings.append(Finding(item.row, "undecodable", item.reason))
        checked.findings.sort()
        return checked

    def check_columns(self, spec: Spec, survey: Json, options: Json) -> list[ColumnFinding]:  # noqa: ARG002
        """Returns nothing: an image is a single column."""
        return []

    def clean_schema(self, raw: pa.Schema, spec: Spec) -> pa.Schema:  # noqa: ARG002
        """Returns the raw schema."""
        return raw

    def repair(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> Repaired:  # noqa: ARG002
        """Returns the raw rows."""
        return Repaired(batch, [None] * batch.num_rows)

    def similarity(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns the correlation of thumbnails, `[pairs]` in [0, 1], for sketches `[pairs, bytes]`."""
        return perceptual_hash.compare_sketches(first, second)

    def render_html(self, row: Json) -> str:
        """Returns safe HTML with a thumbnail of the image of a raw row."""
        return render_thumbnail(row)


def _empty_result(num_rows: int, options: Json) -> CheckedBatch:
    """Returns a result without findings, with the values of undecodable images."""
    bands, sketch = (perceptual_hash.NUM_BANDS, perceptual_hash.NUM_BYTES) if "near_duplicate" in options else (0, 0)
    return CheckedBatch(
        findings=[],
        keys=np.zeros(num_rows, "S16"),
        hashes=np.zeros((num_rows, bands), np.uint64),
        sketches=np.zeros((num_rows, sketch), np.uint8),
        features=np.full((num_rows, NUM_FEATURES if "label_error" in options else 0), np.nan, np.float32),
        measures={name: np.full(num_rows, np.nan, np.float32) for name in MEASURES},
    )


def _check_stack(stack: Stack, checked: CheckedBatch, options: Json) -> None:
    """Writes the results of a stack into the rows of `checked`."""
    rows, pixels = stack.rows, stack.pixels
    checked.keys[rows] = [_content_key(image) for image in pixels]
    height, width = (np.full(len(rows), side, np.float32) for side in pixels.shape[1:3])
    measures = {"width": width, "height": height, **measure_quality(make_grey(pixels, stack.images))}
    for name, values in measures.items():
        checked.measures[name][rows] = values
    checked.findings.extend(check_quality(stack, measures, options))
    if not checked.sketches.shape[1] and not checked.features.shape[1]:
        return
    thumbnails = perceptual_hash.make_thumbnails(pixels, stack.images)
    grey = to_grey(thumbnails)
    if checked.sketches.shape[1]:
        sketches = perceptual_hash.make_sketches(grey)
        checked.sketches[rows], checked.hashes[rows] = sketches, perceptual_hash.hash_sketches(sketches)
    if checked.features.shape[1]:
        checked.features[rows] = extract_features(thumbnails, grey)


def _content_key(pixels: NDArray[np.uint8]) -> bytes:
    content = sha256(repr(pixels.shape).encode(), usedforsecurity=False)  # processors have instructions for it
    content.update(pixels.data)
    return content.digest()[:16]
