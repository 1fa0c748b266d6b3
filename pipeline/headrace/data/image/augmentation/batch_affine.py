"""Batch version of albumentations' Affine: computes all matrices at once, then warps row by row with OpenCV."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class BatchAffine:
    """Affine with an output of the same size; see `BatchTransform`."""

    num_draws = 8

    def __init__(self, transform: Any) -> None:
        """Takes a transform without `fit_output` and `balanced_scale`."""
        self._transform = transform

    def __call__(self, images: NDArray[np.uint8], draws: Floats) -> NDArray[np.uint8]:
        """Warps a fraction `p` of the rows."""
        import cv2

        transform, (height, width, channels) = self._transform, images.shape[1:]
        fill = tuple(np.broadcast_to(np.asarray(transform.fill, np.float64), channels).tolist())
        warped, matrices = images.copy(), self.matrices(draws[:, 1:], (height, width))
        for row in np.flatnonzero(draws[:, 0] < transform.p).tolist():
            cv2.warpAffine(
                images[row],
                matrices[row],
                (width, height),
                warped[row],  # the output, written in place
                transform.interpolation,
                transform.border_mode,
                fill,
            )
        return warped

    def matrices(self, draws: Floats, size: tuple[int, int]) -> Floats:
        """Maps draws `[rows, 7]` in [0, 1) to matrices `[rows, 2, 3]` for images of `size` (height, width).

        About the centre: scale, then rotation, shear and translation, as in albumentations'
        `create_affine_transformation_matrix` (augmentations/geometric/functional.py).
        """
        affine = self._transform
        ranges = [affine.shear["x"], affine.shear["y"], affine.scale["x"], affine.scale["y"], affine.rotate]
        low, high = np.array(ranges, np.float64).T
        shear_x, shear_y, scale_x, scale_y, rotate = (low + draws[:, 2:] * (high - low)).T
        if affine.keep_ratio:
            scale_y = scale_x
        # albumentations shears by the negative angles
        (tan_x, tan_y), angle = np.tan(np.deg2rad([-shear_x, -shear_y])), np.deg2rad(rotate)
        cos, sin = np.cos(angle), np.sin(angle)
        matrices = np.empty((len(draws), 2, 3))
        matrices[:, 0, 0], matrices[:, 0, 1] = scale_x * (cos - tan_x * sin), scale_y * (sin + tan_x * cos)
        matrices[:, 1, 0], matrices[:, 1, 1] = scale_x * (tan_y * cos - sin), scale_y * (tan_y * sin + cos)
        centre = np.array([size[1], size[0]]) / 2 - 0.5
        matrices[:, :, 2] = centre + self._shifts(draws[:, :2], size) - matrices[:, :, :2] @ centre
        return matrices

    def _shifts(self, draws: Floats, size: tuple[int, int]) -> Floats:
        """Returns shifts to the right and down, in whole pixels."""
        affine = self._transform
        pixels: Floats
        if affine.translate_px is not None:
            low, high = np.array([affine.translate_px["x"], affine.translate_px["y"]]).astype(np.int64).T
            pixels = low + np.floor(draws * (high - low + 1))
            return pixels
        low, high = np.array([affine.translate_percent["x"], affine.translate_percent["y"]], np.float64).T
        pixels = np.trunc((low + draws * (high - low)) * np.array(size)[::-1])
        return pixels
