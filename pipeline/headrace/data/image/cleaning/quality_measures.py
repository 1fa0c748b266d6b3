"""Quality measures of images: brightness, contrast, extreme percentiles and sharpness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]

LUMINANCE, FLOOR = (77 / 256, 150 / 256, 29 / 256), -0.5
"""Weights of red, green and blue; and what makes Pillow, which adds a half, round down."""
STRIP_PIXELS = 1 << 20
"""Pixels processed at once, so that a photograph of 90 megapixels takes as little memory as a thousand digits."""


def make_grey(pixels: Pixels, images: Sequence[Image.Image]) -> Pixels:
    """Returns the grey levels of a stack, `[rows, height, width]`, as `to_grey` does; `images` have the same pixels."""
    if len(images) == 1 and images[0].mode == "RGB":  # three times as fast, for photographs
        return np.asarray(images[0].convert("L", (*LUMINANCE, FLOOR)))[None]
    return to_grey(pixels)


def to_grey(pixels: Pixels) -> Pixels:
    """Converts `[..., channel]` to grey levels `[...]`: luminance by ITU-R 601-2 in 256ths, at most 1 off."""
    if pixels.shape[-1] == 1:
        return pixels[..., 0]
    red, green, blue = (pixels[..., channel].astype(np.uint16) for channel in range(3))
    return ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.uint8)


def measure_quality(grey: Pixels) -> dict[str, NDArray[np.float32]]:
    """Returns measures per row of a stack of grey levels (0 to 255), `[rows, height, width]`.

    `brightness` is the mean, `contrast` the standard deviation, `percentile_1` and `percentile_99` the levels that 1 %
    and 99 % of the pixels do not exceed, `sharpness` the standard deviation of the 4-neighbour Laplacian (NaN for
    images less than 3 pixels high or wide): https://doi.org/10.1109/ICPR.2000.903548.
    """
    rows, height, width = grey.shape
    histogram = np.zeros((rows, 256), np.int64)
    edges, edges_squared = np.zeros(rows), np.zeros(rows)
    for lines, strip in _strips(grey):
        histogram += _histograms(strip[:, :lines])
        laplacian = _laplacian(strip)
        edges += laplacian.sum(axis=1)
        edges_squared += np.einsum("ij,ij->i", laplacian, laplacian)
    levels = np.arange(256)
    mean, contrast = _mean_std(histogram @ levels, histogram @ levels**2, height * width)
    _, sharpness = _mean_std(edges, edges_squared, (height - 2) * (width - 2))
    below = histogram.cumsum(axis=1) / (height * width)
    values = {
        "brightness": mean,
        "contrast": contrast,
        "percentile_1": (below < 0.01).sum(axis=1),  # noqa: PLR2004
        "percentile_99": (below < 0.99).sum(axis=1),  # noqa: PLR2004
        "sharpness": sharpness if min(height, width) > 2 else np.full(rows, np.nan),  # noqa: PLR2004
    }
    return {name: column.astype(np.float32) for name, column in values.items()}


def _strips(grey: Pixels) -> Iterator[tuple[int, Pixels]]:
    """Yields strips from top to bottom with their number of new lines; two more lines serve the Laplacian."""
    rows, height, width = grey.shape
    lines = max(1, STRIP_PIXELS // (rows * width))
    for top in range(0, height, lines):
        yield min(lines, height - top), grey[:, top : top + lines + 2]


def _histograms(grey: Pixels) -> NDArray[np.int64]:
    """Counts each level: `[rows, 256]`."""
    from PIL import Image

    rows = len(grey)
    if rows == 1:  # three times as fast, for photographs
        return np.array([Image.fromarray(grey[0]).histogram()])
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
