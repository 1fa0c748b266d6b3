"""Robustness: the accuracy under noise that the training did not include."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.metrics.classification import is_correct

ROWS_PER_DRAW = 1024


def accuracy_under_noise(
    predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    inputs: NDArray[np.uint8],
    targets: NDArray[np.int64],
    *,
    sigmas: list[float],
    seed: int,
) -> list[float]:
    """Accuracy under additive Gaussian noise for each sigma, in pixel levels of 0 to 255.

    All sigmas share one draw, so that they differ only in the strength of the noise. Noisy pixels are rounded and
    clipped, as a camera does. After Hendrycks and Dietterich (2019), Benchmarking Neural Network Robustness to Common
    Corruptions. At most ROWS_PER_DRAW rows are in memory at a time.
    """
    rng = np.random.default_rng(seed)
    num_correct = np.zeros(len(sigmas), dtype=np.int64)
    for start in range(0, len(targets), ROWS_PER_DRAW):
        rows = slice(start, start + ROWS_PER_DRAW)
        clean = np.asarray(inputs[rows], dtype=np.float32)
        noise = rng.standard_normal(clean.shape, dtype=np.float32)
        for index, sigma in enumerate(sigmas):
            noisy = np.clip(np.rint(clean + np.float32(sigma) * noise), 0, 255).astype(np.uint8)
            num_correct[index] += is_correct(predict(noisy), targets[rows]).sum()
    return [int(count) / len(targets) for count in num_correct]
