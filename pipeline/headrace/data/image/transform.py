"""Images of any size to arrays of one shape, and the statistics of train pixels that networks normalise by."""

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
from headrace.data.image.resize import fit_to, with_channels
from headrace.errors import DataError

Pixels = NDArray[np.uint8]
Counts = NDArray[np.int64]  # [channel, 256]

T = TypeVar("T")
DEFAULT_SIDE_PX = 64
"""For images of different sizes, unless `normalize.image_size` says otherwise."""


class _SizesDifferError(Exception):
    pass


class ImageTransform:
    """Learns one shape, mean and standard deviation; makes uint8 arrays of that shape."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:  # noqa: ARG002
        """Learns `input_shape`, `mean`, `std` from train rows; options: `image_size`, `resize`.

        Without an `image_size` it is the size that all images share, else DEFAULT_SIDE_PX square. One channel where
        all are grey, else three. The rows are gone through again where sizes turn out to differ.
        """
        size, rule = _height_width(options["image_size"]), options["resize"]
        try:
            size, counts = _merged(rows.map(partial(_counted, size=size, rule=rule)))
        except _SizesDifferError:
            size, counts = _merged(rows.map(partial(_counted, size=(DEFAULT_SIDE_PX, DEFAULT_SIDE_PX), rule=rule)))
        mean, std = _mean_std(counts)
        return {"input_shape": [*size, len(counts)], "mean": mean, "std": std, "resize": rule}

    def apply(self, batch: pa.RecordBatch, transform: Json) -> NDArray[np.uint8]:
        """Decoded, resized and stacked: `[rows, height, width, channel]`."""
        height, width, channels = transform["input_shape"]

        def work(pixels: Pixels) -> Pixels:
            return fit_to(with_channels(pixels, channels), (height, width), transform["resize"])

        made = _map_rows(batch, work)
        return np.stack(made) if made else np.empty((0, height, width, channels), np.uint8)


def _map_rows(batch: pa.RecordBatch, work: Callable[[Pixels], T]) -> list[T]:
    """`work(pixels)` of each row; raises DataError for one that cannot be decoded, though `clean` let it through."""
    made: list[T] = []
    for index, result in enumerate(map_decoded(batch.column("image").to_pylist(), work)):
        if isinstance(result, UndecodableError):
            row_id = batch.column("row_id")[index].as_py()
            raise DataError(f"data/clean: row {row_id} cannot be decoded ({result}); run: dvc repro --force clean")
        made.append(result)
    return made


class _Counted(NamedTuple):
    """What one batch's pixels are; whole numbers, so exact in any order."""

    sizes: frozenset[tuple[int, int]]
    """(height, width); a second one is told, but not a third."""
    is_grey: bool
    counts: Counts


def _counted(batch: pa.RecordBatch, *, size: tuple[int, int] | None, rule: str) -> _Counted:
    """How often each value occurs in each channel, at `size` (height, width) or as the images are."""
    sizes: set[tuple[int, int]] = set()
    counts = np.zeros((3, 256), np.int64)
    greys = [True]

    def add(pixels: Pixels) -> None:
        fitted = pixels if size is None else fit_to(pixels, size, rule)
        sizes.add((fitted.shape[0], fitted.shape[1]))
        if len(sizes) > 1:  # the counts are worth nothing then
            return
        histogram = _histogram(fitted)
        greys[0] = greys[0] and len(histogram) == 1
        counts[:] += histogram  # a grey image counts in all three, as it will be stored beside coloured ones

    _map_rows(batch, add)
    return _Counted(frozenset(sizes), greys[0], counts)


def _merged(parts: Iterator[_Counted]) -> tuple[tuple[int, int], Counts]:
    """The size and the counts of all; raises _SizesDifferError at the first batch that shows another size."""
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
    """Of pixels in [0, 1], a channel; a standard deviation of 0 becomes 1, so that it can be divided by."""
    means, stds = [], []
    for channel in counts.tolist():  # Python's integers: no rounding before the last division
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
