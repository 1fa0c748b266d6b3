"""Batch versions of albumentations' common transforms: the same pixels and distributions, at less cost per row.

Each reads its settings from a transform of albumentations and draws the parameters of all rows at once. A call of
albumentations' `Affine` takes 60 us for an image of 32 x 32 pixels, of which the warp takes 6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.augmentation.batch_affine import BatchAffine

Pixels = NDArray[np.uint8]  # [rows, height, width, channel]
Draws = NDArray[np.float64]  # [rows, num_draws], in [0, 1)


class BatchTransform(Protocol):
    """A transform of a batch of images."""

    num_draws: int
    """Random numbers per row."""

    def __call__(self, images: Pixels, draws: Draws) -> Pixels:
        """Returns a new array; each row depends only on its own pixels and draws."""
        ...


class BatchFlip:
    """HorizontalFlip and VerticalFlip."""

    num_draws = 1

    def __init__(self, transform: Any, axis: int) -> None:
        """`axis` of an image: 0 flips it upside down, 1 left to right."""
        self._p, self._axis = transform.p, axis

    def __call__(self, images: Pixels, draws: Draws) -> Pixels:
        """Flips a fraction `p` of the rows."""
        chosen, flipped = draws[:, 0] < self._p, images.copy()
        flipped[chosen] = np.flip(images[chosen], self._axis + 1)
        return flipped


class BatchPad:
    """Pad and PadIfNeeded, with the same padding for every image."""

    num_draws = 0
    MODES = ("constant", "edge", "symmetric", "wrap", "reflect")
    """NumPy's names of OpenCV's border modes 0 to 4."""

    def __init__(self, transform: Any) -> None:
        """Takes a transform whose padding is not random."""
        self._transform = transform

    def __call__(self, images: Pixels, draws: Draws) -> Pixels:  # noqa: ARG002
        """Returns larger images."""
        height, width, channels = images.shape[1:]
        sides = self._transform.get_params_dependent_on_data({"shape": images.shape[1:]}, {})
        top, left = sides["pad_top"], sides["pad_left"]
        mode = self.MODES[self._transform.border_mode]
        if mode != "constant":
            around = ((0, 0), (top, sides["pad_bottom"]), (left, sides["pad_right"]), (0, 0))
            return np.pad(images, around, mode=mode)  # type: ignore[call-overload,no-any-return]
        shape = (len(images), top + height + sides["pad_bottom"], left + width + sides["pad_right"], channels)
        padded = np.full(shape, np.asarray(self._transform.fill, np.uint8), np.uint8)
        padded[:, top : top + height, left : left + width] = images
        return padded


class BatchCrop:
    """RandomCrop."""

    num_draws = 2

    def __init__(self, transform: Any) -> None:
        """Takes a transform without padding."""
        self._height, self._width = transform.height, transform.width

    def __call__(self, images: Pixels, draws: Draws) -> Pixels:
        """Returns smaller images; raises ValueError if the images are smaller than the crop."""
        room = np.array([images.shape[1] - self._height, images.shape[2] - self._width])
        if (room < 0).any():
            raise ValueError(f"a crop of {self._height} x {self._width} is larger than the image")
        crops = np.empty((len(images), self._height, self._width, images.shape[3]), np.uint8)
        for row, (top, left) in enumerate((draws * (room + 1)).astype(np.int64).tolist()):
            crops[row] = images[row, top : top + self._height, left : left + self._width]
        return crops


class BatchCoarseDropout:
    """CoarseDropout with a fixed fill."""

    def __init__(self, transform: Any) -> None:
        """Takes a transform whose `fill` is a number, or a number per channel."""
        self._transform = transform
        self.num_draws = 2 + 4 * transform.num_holes_range[1]

    def __call__(self, images: Pixels, draws: Draws) -> Pixels:
        """Fills rectangles in a fraction `p` of the rows."""
        filled, fill = images.copy(), np.asarray(self._transform.fill, np.uint8)
        for row, holes in self.holes(draws, (images.shape[1], images.shape[2])):
            for left, top, right, bottom in holes:
                filled[row, top:bottom, left:right] = fill
        return filled

    def holes(self, draws: Draws, size: tuple[int, int]) -> list[tuple[int, list[list[int]]]]:
        """Returns rows and their rectangles (left, top, right, bottom), for images of `size` (height, width)."""
        transform = self._transform
        low, high = transform.num_holes_range
        counts = low + (draws[:, 1] * (high - low + 1)).astype(np.int64)
        sides, corners = draws[:, 2:].reshape(len(draws), 2, -1, 2).transpose(1, 0, 2, 3)
        extents = self._extents(sides, size)
        starts = (corners * (np.array(size) - extents + 1)).astype(np.int64)
        boxes = np.concatenate([starts, starts + extents], axis=2)[..., [1, 0, 3, 2]]
        rows = np.flatnonzero(draws[:, 0] < transform.p).tolist()
        return [(row, boxes[row, : counts[row]].tolist()) for row in rows]

    def _extents(self, sides: Draws, size: tuple[int, int]) -> NDArray[np.int64]:
        """Returns heights and widths in pixels; settings below 1 are fractions of the image.

        Raises ValueError if the smallest hole is larger than the image.
        """
        ranges = np.array([self._transform.hole_height_range, self._transform.hole_width_range], np.float64)
        if self._transform.hole_height_range[1] >= 1:  # the unit of the heights also applies to the widths
            low, high = np.trunc(ranges[:, 0]), np.trunc(np.minimum(ranges[:, 1], size) + 1)
            if (low >= high).any():
                raise ValueError(f"holes of at least {low.astype(int).tolist()} pixels are larger than the image")
            extents = low + np.floor(sides * (high - low))
        else:
            extents = np.array(size) * (ranges[:, 0] + sides * (ranges[:, 1] - ranges[:, 0]))
        return np.asarray(extents, np.int64)


def to_batch_transform(transform: Any) -> BatchTransform | None:
    """Returns the batch version of an albumentations transform, or None if there is none for its settings."""
    make, is_supported = BATCH_TRANSFORMS.get(type(transform).__name__, (None, None))
    return make(transform) if make and is_supported and is_supported(transform) else None


BATCH_TRANSFORMS: dict[str, tuple[Callable[[Any], BatchTransform], Callable[[Any], bool]]] = {
    "Affine": (BatchAffine, lambda affine: not affine.fit_output and not affine.balanced_scale),
    "CoarseDropout": (BatchCoarseDropout, lambda dropout: not isinstance(dropout.fill, str)),
    "HorizontalFlip": (lambda flip: BatchFlip(flip, 1), lambda _: True),
    "Pad": (BatchPad, lambda pad: pad.p == 1),
    "PadIfNeeded": (BatchPad, lambda pad: pad.p == 1 and pad.position != "random"),
    "RandomCrop": (BatchCrop, lambda crop: crop.p == 1 and not crop.pad_if_needed),
    "VerticalFlip": (lambda flip: BatchFlip(flip, 0), lambda _: True),
}
"""Name of an albumentations transform -> its batch version, and whether that supports the settings."""
