"""Mixtures of two images: a weighted mean (mixup), or a rectangle of one pasted on the other (CutMix)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Draw

Pixels = NDArray[np.uint8]  # [rows, height, width, channel]
Weights = NDArray[np.float64]


def mixup(inputs: Pixels, partners: Pixels, weights: Weights, draw: Draw) -> tuple[Pixels, Weights]:
    """Implements RowMixer after Zhang et al. (2018), arXiv:1710.09412, section 2; rounds to whole grey levels."""
    del draw
    own = weights[:, None, None, None].astype(np.float32)
    return np.rint(own * inputs + (1 - own) * partners).astype(np.uint8), weights


def cutmix(inputs: Pixels, partners: Pixels, weights: Weights, draw: Draw) -> tuple[Pixels, Weights]:
    """Implements RowMixer after Yun et al. (2019), arXiv:1905.04899, section 3.1: pastes a rectangle of the partner.

    Its centre is uniform over the image and the part outside is cut off; the weights returned count pixels.
    """
    size = np.array(inputs.shape[1:3])
    halves = size * np.sqrt(1 - weights)[:, None] / 2
    centres = draw(2) * size
    starts = np.clip(np.rint(centres - halves), 0, size).astype(np.int64)
    ends = np.clip(np.rint(centres + halves), 0, size).astype(np.int64)
    mixed = inputs.copy()
    for row, ((top, left), (bottom, right)) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        mixed[row, top:bottom, left:right] = partners[row, top:bottom, left:right]
    return mixed, 1 - (ends - starts).prod(axis=1) / size.prod()
