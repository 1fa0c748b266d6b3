"""Images of more than 8 bits: which of their values become 0 to 255. Copied into served image models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_SAMPLED = 65_536
"""Pixels of an image that are measured."""
QUANTILES = (0.001, 0.999)
"""A few pixels of another value, such as defect ones of a sensor, do not set the range."""
MIN_FILLED = 0.25
"""Values that fill less than this share of 0 to 2**k - 1 get a range of their own."""
FULL_RANGE = (0.0, 65535.0)
"""Of 16 bits."""


class Extent(NamedTuple):
    """The values of one or several images, a few extreme ones left out."""

    low: float
    high: float
    is_whole: bool
    """Whether all are integers."""


def measure_extent(values: NDArray[Any]) -> Extent:
    """Returns the extent of an image's values; an empty one around 0 if none is finite."""
    step = max(1, values.size // MAX_SAMPLED) | 1  # odd: even ones would often be a divisor of the width
    sample = values.ravel()[::step]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return Extent(0.0, 0.0, is_whole=True)
    low, high = np.quantile(sample, QUANTILES[0], method="lower"), np.quantile(sample, QUANTILES[1], method="higher")
    return Extent(float(low), float(high), bool((sample == np.floor(sample)).all()))


def merge_extents(extents: Iterable[Extent | None]) -> Extent | None:
    """Returns the extent of all images together, of which None have 8 bits; None if all have."""
    deep = [extent for extent in extents if extent is not None]
    if not deep:
        return None
    lows, highs, are_whole = zip(*deep, strict=True)
    return Extent(min(lows), max(highs), all(are_whole))


def choose_range(extent: Extent) -> tuple[float, float]:
    """Returns the values that become 0 and 255.

    Integers: 0 to 255, 511, 1023 ... 65535, as of a sensor of 8, 9, 10 ... 16 bits; floats: 0 to 1. The values' own
    lowest and highest where these are negative, or fill less than MIN_FILLED of that range.
    """
    low, high, is_whole = extent
    if low >= 0 and (is_whole or high <= 1):
        full = float(2 ** max(8, int(high).bit_length()) - 1) if is_whole else 1.0
        if high - low >= MIN_FILLED * full or high == low or full == 255.0:  # noqa: PLR2004 8 bits stay as they are
            return 0.0, full
    return (low, high) if high > low else (low, low + 1)


def scale_values(values: NDArray[Any], value_range: Sequence[float], *, is_inverted: bool = False) -> NDArray[np.uint8]:
    """Maps a range to 0 to 255, rounded; values outside of it are clipped, NaN becomes the lowest value.

    `is_inverted`: the image has white as its lowest value.
    """
    low, high = value_range
    exact = values.astype(np.float32 if values.itemsize <= 2 else np.float64)  # noqa: PLR2004 32 bits need more
    levels = (np.clip(np.nan_to_num(exact, nan=low), low, high) - low) * (255 / (high - low))
    scaled: NDArray[np.uint8] = np.rint(levels).astype(np.uint8)
    return 255 - scaled if is_inverted else scaled
