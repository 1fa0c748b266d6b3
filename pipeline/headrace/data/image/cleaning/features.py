"""Cheap features of images, by which a classifier tells classes apart well enough to doubt labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CELLS = 4
"""Each way; of each cell's edges and colours there are figures."""
DIRECTIONS = 8
NUM_FEATURES = CELLS * CELLS * (DIRECTIONS + 3)


def features(thumbnails: NDArray[np.uint8], grey: NDArray[np.uint8]) -> Floats:
    """`[rows, side, side, channel]` and the same in grey -> `[rows, NUM_FEATURES]`; CELLS must divide the side."""
    channels = [_cells(thumbnails[..., channel].astype(np.float32)) for channel in range(thumbnails.shape[-1])]
    area = np.float32(255 * (grey.shape[1] // CELLS) ** 2)
    colours = channels * (3 // len(channels))  # a grey image has the same in all three
    return np.hstack([_edges(grey.astype(np.float32)), *(colour / area for colour in colours)])


def _edges(grey: Floats) -> Floats:
    """How strong edges of each direction are in each cell, relative to those of the whole image.

    After histograms of oriented gradients (https://doi.org/10.1109/CVPR.2005.177), but from eight responses that need
    no angles: half the time, and the same accuracy within a hundredth on digits and on small photographs.
    """
    across, down = np.zeros_like(grey), np.zeros_like(grey)
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    slopes = [np.abs(slope) for slope in (across, down, across + down, across - down)]
    pairs = [(0, 1), (1, 0), (2, 3), (3, 2)]  # each direction, where it is stronger than the one at right angles
    strong = [np.maximum(slopes[one] - slopes[other], 0) for one, other in pairs]
    strength = np.hstack([_cells(response) for response in (*slopes, *strong)])
    return np.asarray(np.sqrt(strength / (np.linalg.norm(strength, axis=1, keepdims=True) + 1)), np.float32)


def _cells(values: Floats) -> Floats:
    """Sums `[rows, CELLS * CELLS]` of `[rows, side, side]`."""
    side = values.shape[1]
    belongs = np.repeat(np.eye(CELLS, dtype=np.float32), side // CELLS, axis=0)
    sums: Floats = belongs.T @ (values @ belongs)
    return sums.reshape(len(values), -1)
