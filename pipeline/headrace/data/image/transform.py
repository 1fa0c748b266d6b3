"""Turns images of any size into arrays of one shape, and computes the statistics that networks normalise with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import sqrt
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json, Rows, Spec
from headrace.data.image.decode import UndecodableError, map_decoded
from headrace.data.image.resize import convert_channels, resize_image
from headrace.data.sources.row_source import name_rows
from headrace.errors import DataError

Pixels = NDArray[np.uint8]
Counts = NDArray[np.int64]  # [channel, 256]

T = TypeVar("T")
DEFAULT_SIDE_PX = 64
"""Used for images of different sizes if `normalize.image_size` is null."""


class _SizesDifferError(Exception):
    pass


class ImageTransform:
    """Fits a shape, mean and standard deviation; returns uint8 arrays of that shape."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:  # noqa: ARG002
        """Fits `input_shape`, `mean` and `std` on train rows; options: `image_size`, `resize`.

        The default size is the one that all images share, else a square of DEFAULT_SIDE_PX, which takes a second pass.
        There is one channel if all images are grey, else three.
        """
        size, rule = _height_width(options["image_size"]), options["resize"]
        try:
            size, counts = _merge_counts(rows.map(partial(_count_pixels, size=size, rule=rule)))
        except _SizesDifferError:
            size, counts = _merge_counts(
                rows.map(partial(_count_pixels, size=(DEFAULT_SIDE_PX, DEFAULT_SIDE_PX), rule=rule))
            )
        mean, std = _mean_std(counts)
        return {"input_shape": [*size, len(counts)], "mean": mean, "std": std, "resize": rule}

    def apply(self, batch: pa.RecordBatch, transform: Json) -> NDArray[np.uint8]:
        """Decodes, resizes and stacks images: `[rows, height, width, channel]`."""
        height, width, channels = transform["input_shape"]

        def fit_shape(pixels: Pixels) -> Pixels:
            return resize_image(convert_channels(pixels, channels), (height, width), transform["resize"])

        images = _map_rows(batch, fit_shape)
        return np.stack(images) if images else np.empty((0, height, width, channels), np.uint8)


def _map_rows(batch: pa.RecordBatch, work: Callable[[Pixels], T]) -> list[T]:
    """Returns `work(pixels)` of each row; raises DataError for a row that cannot be decoded."""
    results: list[T] = []
    for index, result in enumerate(map_decoded(batch.column("image").to_pylist(), work)):
        if isinstance(result, UndecodableError):
            name = name_rows(batch)[index]
            raise DataError(f"data/clean: {name} cannot be decoded ({result}); run: dvc repro --force clean")
        results.append(result)
    return results


class _PixelCounts(NamedTuple):
    """Pixel counts of one batch: integers, so sums are exact in any order."""

    sizes: frozenset[tuple[int, int]]
    """(height, width); `counts` means nothing if there is more than one."""
    is_grey: bool
    counts: Counts


def _count_pixels(batch: pa.RecordBatch, *, size: tuple[int, int] | None, rule: str) -> _PixelCounts:
    """Counts each value in each channel, at `size` (height, width) or at the original sizes."""
    sizes: set[tuple[int, int]] = set()
    counts = np.zeros((3, 256), np.int64)
    is_grey = True

    def add(pixels: Pixels) -> None:
        nonlocal is_grey
        fitted = pixels if size is None else resize_image(pixels, size, rule)
        sizes.add((fitted.shape[0], fitted.shape[1]))
        if len(sizes) > 1:  # the counts are discarded then
            return
        histogram = _histogram(fitted)
        is_grey = is_grey and len(histogram) == 1
        counts[:] += histogram  # a grey image counts in all three channels, as it is stored next to coloured ones

    _map_rows(batch, add)
    return _PixelCounts(frozenset(sizes), is_grey, counts)


def _merge_counts(parts: Iterator[_PixelCounts]) -> tuple[tuple[int, int], Counts]:
    """Returns the common size and the total counts; raises _SizesDifferError at the first batch with another size."""
    sizes: set[tuple[int, int]] = set()
    is_grey, counts = True, np.zeros((3, 256), np.int64)
    for part in parts:
        sizes |= part.sizes
        if len(sizes) > 1:
            raise _SizesDifferError
        is_grey = is_grey and part.is_grey
        counts += part.counts
    if not sizes:
        raise DataError("data/split: no train rows to fit on; give split.fractions a larger first part")
    return sizes.pop(), counts[:1] if is_grey else counts


def _histogram(pixels: Pixels) -> Counts:
    return np.stack([np.bincount(pixels[..., channel].ravel(), minlength=256) for channel in range(pixels.shape[2])])


def _mean_std(counts: Counts) -> tuple[list[float], list[float]]:
    """Per channel, for pixels in [0, 1]; a standard deviation of 0 becomes 1, to allow division by it."""
    means, stds = [], []
    for channel in counts.tolist():  # Python integers: no rounding before the last division
        total = sum(channel)
        first = sum(value * count for value, count in enumerate(channel))
        second = sum(value * value * count for value, count in enumerate(channel))
        means.append(first / (255 * total))
        stds.append(sqrt(total * second - first * first) / (255 * total) or 1.0)
    return means, stds


def _height_width(image_size: int | Sequence[int] | None) -> tuple[int, int] | None:
    if image_size is None:
        return None
    if isinstance(image_size, int):
        return image_size, image_size
    height, width = image_size
    return height, width
