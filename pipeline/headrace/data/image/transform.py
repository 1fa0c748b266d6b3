"""Turns images of any size into arrays of one shape, and computes the statistics that networks normalise with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import sqrt
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json, Rows, Spec
from headrace.data.image.decode import decode_to_shape
from headrace.data.image.survey import ImageSurvey, choose_size, map_rows, merge_surveys, survey_batch
from headrace.data.image.value_range import choose_range
from headrace.errors import DataError

ROWS_AT_ONCE = 256
"""Stored images whose pixels are counted together."""


class ImageTransform:
    """Fits a shape and a range of values; returns uint8 arrays of that shape."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:  # noqa: ARG002
        """Fits `input_shape` and, for images of more than 8 bits, `image_range` on train rows.

        Options: `image_size`, `image_range`, `resize`. There is one channel if all images are grey, else three. What
        was chosen without a setting, and from what, is in `automatic`. Pixels are decoded only where needed: `mean` and
        `std` are those of the stored train images, see measure_pixels.
        """
        survey = merge_surveys(rows.map(survey_batch))
        if not survey.sizes:
            raise DataError("data/split: no train rows to fit on; give split.fractions a larger first part")
        size, automatic = _fit_size(survey, options["image_size"])
        transform: Json = {"input_shape": [*size, 1 if survey.is_grey else 3], "resize": options["resize"]}
        if options["image_range"] != "auto":
            transform["image_range"] = list(options["image_range"])
        elif survey.extent is not None:
            transform["image_range"] = list(choose_range(survey.extent))
            automatic["num_deep"] = survey.num_deep
        return transform | ({"automatic": automatic} if automatic else {})

    def apply(self, batch: pa.RecordBatch, transform: Json) -> NDArray[np.uint8]:
        """Decodes, resizes and stacks images: `[rows, height, width, channel]`."""
        shape, value_range = tuple(transform["input_shape"]), transform.get("image_range")
        work = partial(decode_to_shape, shape=shape, rule=transform["resize"], value_range=value_range)
        images = map_rows(batch, work)
        return np.stack(images) if images else np.empty((0, *shape), np.uint8)


def measure_pixels(inputs: NDArray[np.uint8]) -> Json:
    """Returns `mean` and `std` of stored images `[rows, height, width, channel]`, per channel, for pixels in [0, 1].

    Integers are counted, so the result does not depend on the order of the rows. A standard deviation of 0 becomes 1,
    to allow division by it.
    """
    from PIL import Image

    width, channels = inputs.shape[2:]
    counts = [0] * (256 * channels)
    for start in range(0, len(inputs), ROWS_AT_ONCE):
        column = inputs[start : start + ROWS_AT_ONCE].reshape(-1, width, channels)
        tall = Image.fromarray(column[..., 0] if channels == 1 else column)
        counts = [sum(pair) for pair in zip(counts, tall.histogram(), strict=True)]
    means, stds = zip(*(_mean_std(counts[256 * c : 256 * (c + 1)]) for c in range(channels)), strict=True)
    return {"mean": list(means), "std": list(stds)}


def _mean_std(counts: list[int]) -> tuple[float, float]:
    total = sum(counts)  # Python integers: no rounding before the last division
    first = sum(value * count for value, count in enumerate(counts))
    second = sum(value * value * count for value, count in enumerate(counts))
    return first / (255 * total), sqrt(total * second - first * first) / (255 * total) or 1.0


def _fit_size(survey: ImageSurvey, image_size: int | Sequence[int] | Literal["auto"]) -> tuple[tuple[int, int], Json]:
    """Returns (height, width), and from what it was chosen if the setting and the images leave it open."""
    if image_size == "auto":
        if len(survey.sizes) == 1:
            return next(iter(survey.sizes)), {}
        return choose_size(survey), {"num_sizes": len(survey.sizes), "median_size": list(survey.median_size)}
    if isinstance(image_size, int):
        return (image_size, image_size), {}
    height, width = map(int, image_size)
    return (height, width), {}
