"""Quality measures of images: brightness, contrast, extreme percentiles and sharpness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

STRIP_PIXELS = 1 << 20
"""Pixels processed at once, so that a photograph of 90 megapixels takes as little memory as a thousand digits."""


def to_grey(pixels: Pixels) -> Pixels:
    """Converts `[..., channel]` to grey levels `[...]`: luminance by ITU-R 601-2 in 256ths, at most 1 off."""
    if pixels.shape[-1] == 1:
        return pixels[..., 0]
    red, green, blue = (pixels[..., channel].astype(np.uint16) for channel in range(3))
    return ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.uint8)


def measure_quality(pixels: Pixels) -> dict[str, NDArray[np.float32]]:
    """Returns measures per row of a stack `[rows, height, width, channel]`, in grey levels (0 to 255).

    `brightness` is the mean, `contrast` the standard deviation, `percentile_1` and `percentile_99` the levels that 1 %
    and 99 % of the pixels do not exceed, `sharpness` the standard deviation of the 4-neighbour Laplacian (NaN for
    images less than 3 pixels high or wide): https://doi.org/10.1109/ICPR.2000.903548.
    """
    histogram = np.zeros((len(pixels), 256), np.int64)
    edges, edges_squared = np.zeros(len(pixels)), np.zeros(len(pixels))
    for rows, strip in _strips(pixels):
        histogram += _histograms(strip[:, :rows])
        laplacian = _laplacian(strip)
        edges += laplacian.sum(axis=1)
        edges_squared += np.einsum("ij,ij->i", laplacian, laplacian)
    levels = np.arange(256)
    mean, contrast = _mean_std(histogram @ levels, histogram @ levels**2, pixels.shape[1] * pixels.shape[2])
    _, sharpness = _mean_std(edges, edges_squared, (pixels.shape[1] - 2) * (pixels.shape[2] - 2))
    below = histogram.cumsum(axis=1) / (pixels.shape[1] * pixels.shape[2])
    values = {
        "brightness": mean,
        "contrast": contrast,
        "percentile_1": (below < 0.01).sum(axis=1),  # noqa: PLR2004
        "percentile_99": (below < 0.99).sum(axis=1),  # noqa: PLR2004
        "sharpness": sharpness if min(pixels.shape[1:3]) > 2 else np.full(len(pixels), np.nan),  # noqa: PLR2004
    }
    return {name: column.astype(np.float32) for name, column in values.items()}


def _strips(pixels: Pixels) -> Iterator[tuple[int, Pixels]]:
    """Yields grey strips from top to bottom with their number of new lines; two more lines serve the Laplacian."""
    height = pixels.shape[1]
    lines = max(1, STRIP_PIXELS // (len(pixels) * pixels.shape[2]))
    for top in range(0, height, lines):
        yield min(lines, height - top), to_grey(pixels[:, top : top + lines + 2])


def _histograms(grey: Pixels) -> NDArray[np.int64]:
    """Counts each level: `[rows, 256]`."""
    rows = len(grey)
    cells = grey.reshape(rows, -1) + 256 * np.arange(rows)[:, None]
    return np.bincount(cells.ravel(), minlength=256 * rows).reshape(rows, 256)


def _laplacian(grey: Pixels) -> NDArray[np.float32]:
    """Returns the Laplacian of the inner pixels: `[rows, pixels]`."""
    wide = grey.astype(np.int16)
    around = wide[:, :-2, 1:-1] + wide[:, 2:, 1:-1] + wide[:, 1:-1, :-2] + wide[:, 1:-1, 2:]
    laplacian = (4 * wide[:, 1:-1, 1:-1] - around).astype(np.float32)
    return laplacian.reshape(len(grey), -1)


def _mean_std(total: NDArray[Any], squares: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Computes mean and standard deviation from sums of `count` values and of their squares."""
    mean = total / max(count, 1)
    return mean, np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0.0))
