"""Albumentations' Affine on a whole batch: all matrices at once, then OpenCV row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class BatchAffine:
    """Affine whose images keep their size; see `Batched`."""

    num_draws = 8

    def __init__(self, transform: Any) -> None:
        """One without `fit_output` and `balanced_scale`."""
        self._transform = transform

    def __call__(self, images: NDArray[np.uint8], draws: Floats) -> NDArray[np.uint8]:
        """Warps a share of the rows."""
        import cv2

        transform, (height, width, channels) = self._transform, images.shape[1:]
        fill = tuple(np.broadcast_to(np.asarray(transform.fill, np.float64), channels).tolist())
        made, matrices = images.copy(), self.matrices(draws[:, 1:], (height, width))
        for row in np.flatnonzero(draws[:, 0] < transform.p).tolist():
            cv2.warpAffine(
                images[row],
                matrices[row],
                (width, height),
                made[row],  # written in place
                transform.interpolation,
                transform.border_mode,
                fill,
            )
        return made

    def matrices(self, draws: Floats, size: tuple[int, int]) -> Floats:
        """`[rows, 7]` in [0, 1) -> `[rows, 2, 3]` for images of `size`, height and width.

        About the centre: scale, then rotation, shear and translation, as in albumentations'
        `create_affine_transformation_matrix` (augmentations/geometric/functional.py).
        """
        one = self._transform
        ranges = [one.shear["x"], one.shear["y"], one.scale["x"], one.scale["y"], one.rotate]
        low, high = np.array(ranges, np.float64).T
        shear_x, shear_y, scale_x, scale_y, rotate = (low + draws[:, 2:] * (high - low)).T
        if one.keep_ratio:
            scale_y = scale_x
        # albumentations shears by the negative angles
        (tan_x, tan_y), angle = np.tan(np.deg2rad([-shear_x, -shear_y])), np.deg2rad(rotate)
        cos, sin = np.cos(angle), np.sin(angle)
        made = np.empty((len(draws), 2, 3))
        made[:, 0, 0], made[:, 0, 1] = scale_x * (cos - tan_x * sin), scale_y * (sin + tan_x * cos)
        made[:, 1, 0], made[:, 1, 1] = scale_x * (tan_y * cos - sin), scale_y * (tan_y * sin + cos)
        centre = np.array([size[1], size[0]]) / 2 - 0.5
        made[:, :, 2] = centre + self._shifts(draws[:, :2], size) - made[:, :, :2] @ centre
        return made

    def _shifts(self, draws: Floats, size: tuple[int, int]) -> Floats:
        """Whole pixels to the right and down."""
        one, height_width = self._transform, np.array(size)
        pixels: Floats
        if one.translate_px is not None:
            low, high = np.array([one.translate_px["x"], one.translate_px["y"]]).astype(np.int64).T
            pixels = low + np.floor(draws * (high - low + 1))
            return pixels
        low, high = np.array([one.translate_percent["x"], one.translate_percent["y"]], np.float64).T
        shares = low + draws * (high - low)
        pixels = np.trunc(shares * height_width[::-1])
        return pixels
