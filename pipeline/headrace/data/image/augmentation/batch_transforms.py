"""Albumentations' common transforms on a whole batch: the same pixels and distributions, without its work by row.

A transform of albumentations holds the settings, and what it draws from is the same; parameters are drawn for all rows
at once. Its own call takes 60 us a row of 32 x 32 pixels for an `Affine`, of which the pixels are 6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.augmentation.batch_affine import BatchAffine

Pixels = NDArray[np.uint8]  # [rows, height, width, channel]
Draws = NDArray[np.float64]  # [rows, num_draws], in [0, 1)


class Batched(Protocol):
    """A transform of a batch."""

    num_draws: int
    """Random numbers that a row needs."""

    def __call__(self, images: Pixels, draws: Draws) -> Pixels:
        """A new array; a row depends on its own pixels and draws alone."""
        ...


class Flip:
    """HorizontalFlip and VerticalFlip."""

    num_draws = 1

    def __init__(self, transform: Any, axis: int) -> None:
        """`axis` of an image: 0 turns it upside down."""
        self._p, self._axis = transform.p, axis

    def __call__(self, images: Pixels, draws: Draws) -> Pixels:
        """Mirrors a share of the rows."""
        chosen, made = draws[:, 0] < self._p, images.copy()
        made[chosen] = np.flip(images[chosen], self._axis + 1)
        return made


class Padding:
    """Pad and PadIfNeeded: around each image the same."""

    num_draws = 0
    MODES = ("constant", "edge", "symmetric", "wrap", "reflect")
    """NumPy's names of OpenCV's borders 0 to 4."""

    def __init__(self, transform: Any) -> None:
        """A transform whose padding does not change from row to row."""
        self._transform = transform

    def __call__(self, images: Pixels, draws: Draws) -> Pixels:  # noqa: ARG002 none are needed
        """Larger images."""
        height, width, channels = images.shape[1:]
        sides = self._transform.get_params_dependent_on_data({"shape": images.shape[1:]}, {})
        top, left = sides["pad_top"], sides["pad_left"]
        mode = self.MODES[self._transform.border_mode]
        if mode != "constant":
            around = ((0, 0), (top, sides["pad_bottom"]), (left, sides["pad_right"]), (0, 0))
            return np.pad(images, around, mode=mode)  # type: ignore[call-overload,no-any-return]
        shape = (len(images), top + height + sides["pad_bottom"], left + width + sides["pad_right"], channels)
        made = np.full(shape, np.asarray(self._transform.fill, np.uint8), np.uint8)
        made[:, top : top + height, left : left + width] = images
        return made


class Crop:
    """RandomCrop."""

    num_draws = 2

    def __init__(self, transform: Any) -> None:
        """One without padding."""
        self._height, self._width = transform.height, transform.width

    def __call__(self, images: Pixels, draws: Draws) -> Pixels:
        """Smaller images; raises ValueError where they are too small."""
        room = np.array([images.shape[1] - self._height, images.shape[2] - self._width])
        if (room < 0).any():
            raise ValueError(f"a crop of {self._height} x {self._width} is larger than the image")
        made = np.empty((len(images), self._height, self._width, images.shape[3]), np.uint8)
        for row, (top, left) in enumerate((draws * (room + 1)).astype(np.int64).tolist()):
            made[row] = images[row, top : top + self._height, left : left + self._width]
        return made


class Holes:
    """CoarseDropout with a colour."""

    def __init__(self, transform: Any) -> None:
        """One whose `fill` is a number or one a channel."""
        self._transform = transform
        self.num_draws = 2 + 4 * transform.num_holes_range[1]

    def __call__(self, images: Pixels, draws: Draws) -> Pixels:
        """Fills rectangles in a share of the rows."""
        made, fill = images.copy(), np.asarray(self._transform.fill, np.uint8)
        for row, holes in self.holes(draws, (images.shape[1], images.shape[2])):
            for left, top, right, bottom in holes:
                made[row, top:bottom, left:right] = fill
        return made

    def holes(self, draws: Draws, size: tuple[int, int]) -> list[tuple[int, list[list[int]]]]:
        """Rows and their rectangles (left, top, right, bottom) in images of `size`, height and width."""
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
        """Heights and widths: in pixels where the settings are, else as shares of the image.

        Raises ValueError where the smallest is larger than the image.
        """
        given = np.array([self._transform.hole_height_range, self._transform.hole_width_range], np.float64)
        if self._transform.hole_height_range[1] >= 1:  # that of the widths is read as that of the heights
            low, high = np.trunc(given[:, 0]), np.trunc(np.minimum(given[:, 1], size) + 1)
            if (low >= high).any():
                raise ValueError(f"holes of at least {low.astype(int).tolist()} pixels are larger than the image")
            extents = low + np.floor(sides * (high - low))
        else:
            extents = np.array(size) * (given[:, 0] + sides * (given[:, 1] - given[:, 0]))
        whole: NDArray[np.int64] = extents.astype(np.int64)
        return whole


def batched(transform: Any) -> Batched | None:
    """A transform of albumentations on batches; None where there is none, or not with its settings."""
    make, is_usual = BATCHED.get(type(transform).__name__, (None, None))
    return make(transform) if make and is_usual and is_usual(transform) else None


def _is_a_colour(fill: Any) -> bool:
    return not isinstance(fill, str)


BATCHED: dict[str, tuple[Callable[[Any], Batched], Callable[[Any], bool]]] = {
    "Affine": (BatchAffine, lambda one: not one.fit_output and not one.balanced_scale),
    "CoarseDropout": (Holes, lambda one: _is_a_colour(one.fill)),
    "HorizontalFlip": (lambda one: Flip(one, 1), lambda _: True),
    "Pad": (Padding, lambda one: one.p == 1),
    "PadIfNeeded": (Padding, lambda one: one.p == 1 and one.position != "random"),
    "RandomCrop": (Crop, lambda one: one.p == 1 and not one.pad_if_needed),
    "VerticalFlip": (lambda one: Flip(one, 0), lambda _: True),
}
"""Name -> what makes it of a transform, and whether that one's settings are among those it knows."""
