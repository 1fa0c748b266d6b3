"""What the images of some rows have in common: their sizes, channels and range of values, mostly from their headers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from statistics import median
from typing import NamedTuple, TypeVar

import pyarrow as pa

from headrace.data.image.decode import is_grey, map_images
from headrace.data.image.deep_values import find_raw_mode, is_deep, read_deep_values
from headrace.data.image.open_image import (
    SWAPS_SIDES,
    UndecodableError,
    open_image,
    read_orientation,
    translate_decoder_errors,
)
from headrace.data.image.value_range import Extent, measure_extent, merge_extents
from headrace.data.sources.row_source import name_rows
from headrace.errors import DataError

T = TypeVar("T")
HEADER_FORMATS = ("AVIF", "BMP", "JPEG", "MPO", "PNG", "WEBP")
"""Formats whose header has the size and mode that the decoded image has; others are decoded."""
NEVER_DEEP = (b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")
"""The first bytes of formats without grey levels of more than 8 bits."""
PNG_START, PNG_DEPTH = b"\x89PNG\r\n\x1a\n", 24
"""The first bytes of a PNG, and the place of its bits per sample."""
MAX_SIDE_PX, SIDE_STEP_PX = 128, 8
"""An automatic size has at most MAX_SIDE_PX squared pixels, and sides that networks can halve three times."""
MAX_ASPECT, SQUARE_ASPECT = 4.0, 1.2
"""Bounds of an automatic size's aspect, and the one below which it is a square."""


class ImageSurvey(NamedTuple):
    """What is known of several images; does not depend on their order."""

    sizes: Counter[tuple[int, int]]
    """(height, width), upright -> images of this size."""
    is_grey: bool
    """Whether all are."""
    extent: Extent | None
    """The values of those of more than 8 bits; None if there are none."""
    num_deep: int
    """Images of more than 8 bits."""

    @property
    def median_size(self) -> tuple[int, int]:
        """The medians of the heights and of the widths."""
        heights, widths = zip(*self.sizes.elements(), strict=True)
        return round(median(heights)), round(median(widths))


def survey_batch(batch: pa.RecordBatch) -> ImageSurvey:
    """Surveys the images of some rows; raises DataError for one that cannot be decoded."""
    return merge_surveys(map_rows(batch, survey_image))


def survey_depth(batch: pa.RecordBatch) -> Extent | None:
    """Returns the values of the images of more than 8 bits, None without any; skips what cannot be decoded."""
    deep = [data for data in batch.column("image").to_pylist() if may_be_deep(data)]
    return merge_extents(one.extent for one in map_images(deep, survey_image) if isinstance(one, ImageSurvey))


def survey_image(data: bytes) -> ImageSurvey:
    """Surveys one image, whose pixels are decoded only if its header does not say enough; raises UndecodableError."""
    with translate_decoder_errors(), open_image(data) as image:
        extent, raw_mode = None, find_raw_mode(image)
        if image.format not in HEADER_FORMATS or is_deep(image, raw_mode):
            image.load()
            deep = read_deep_values(image, raw_mode, data)
            extent = None if deep is None else measure_extent(deep.values)
        height, width = image.height, image.width
        if height != width and read_orientation(image, data) in SWAPS_SIDES:
            height, width = width, height
        return ImageSurvey(Counter([(height, width)]), is_grey(image), extent, int(extent is not None))


def merge_surveys(surveys: Iterable[ImageSurvey]) -> ImageSurvey:
    """Combines surveys; that of no image is empty."""
    sizes, are_grey, extents, num_deep = Counter[tuple[int, int]](), True, list[Extent | None](), 0
    for survey in surveys:
        sizes.update(survey.sizes)
        are_grey = are_grey and survey.is_grey
        extents.append(survey.extent)
        num_deep += survey.num_deep
    return ImageSurvey(sizes, are_grey, merge_extents(extents), num_deep)


def may_be_deep(data: bytes) -> bool:
    """Whether an image may have more than 8 bits, by its first bytes."""
    if data.startswith(PNG_START):
        return data[PNG_DEPTH : PNG_DEPTH + 1] == b"\x10"
    return bool(data) and not data.startswith(NEVER_DEEP)


def choose_size(survey: ImageSurvey) -> tuple[int, int]:
    """Returns a (height, width) for images of different sizes: of their median aspect and area, within bounds."""
    aspects, sides = zip(*((w / h, (w * h) ** 0.5) for h, w in survey.sizes.elements()), strict=True)
    aspect = min(MAX_ASPECT, max(1 / MAX_ASPECT, median(aspects)))
    if 1 / SQUARE_ASPECT < aspect < SQUARE_ASPECT:
        aspect = 1.0
    side = min(MAX_SIDE_PX, median(sides))
    return _round_side(side / aspect**0.5), _round_side(side * aspect**0.5)


def map_rows(batch: pa.RecordBatch, work: Callable[[bytes], T]) -> list[T]:
    """Returns `work(data)` of each image; raises DataError for a row that cannot be decoded."""
    results: list[T] = []
    for index, result in enumerate(map_images(batch.column("image").to_pylist(), work)):
        if isinstance(result, UndecodableError):
            name = name_rows(batch)[index]
            raise DataError(f"data/clean: {name} cannot be decoded ({result}); run: dvc repro --force clean")
        results.append(result)
    return results


def _round_side(side: float) -> int:
    return max(SIDE_STEP_PX, round(side / SIDE_STEP_PX) * SIDE_STEP_PX)
