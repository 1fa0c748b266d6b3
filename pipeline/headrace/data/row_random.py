"""Random numbers per row: a pure function of (seed, stream, epoch, row), computed for a batch at once.

Philox 4x32-10, the counter-based generator of Salmon et al. (2011), Parallel Random Numbers: As Easy as 1, 2, 3.
NumPy also has Philox, but each row would need its own generator, which takes 12 us to create.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUM_ROUNDS = 10
FACTORS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
WORD_BITS = 32
WORD = 2**WORD_BITS
STREAMS = {"image": 1, "text": 2, "table": 3, "mix": 4}
"""Independent streams of random numbers, by purpose."""


def draw_uniforms(seed: int, stream: int, epoch: int, rows: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Returns `[rows, count]` in [0, 1), multiples of 2^-32; `seed`, `stream` and `epoch` are below 2^32.

    A larger `count` appends numbers and does not change the first ones.
    """
    num_blocks = -(-count // 4)
    counters = np.empty((4, len(rows), num_blocks), np.uint64)
    counters[0], counters[1] = np.arange(num_blocks), epoch
    counters[2], counters[3] = (rows % WORD)[:, None], (rows // WORD)[:, None]
    words = philox(counters, (seed, stream)).transpose(1, 2, 0).reshape(len(rows), -1)
    numbers: NDArray[np.float64] = words[:, :count].astype(np.float64) / WORD
    return numbers


def philox(counters: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Maps counters, `[4, ...]` words below 2^32, and a key of two words to random words of the same shape."""
    first, second, third, fourth = counters
    low_word, shift = np.uint64(WORD - 1), np.uint64(WORD_BITS)
    for round_ in range(NUM_ROUNDS):
        keys = [np.uint64((word + round_ * step) % WORD) for word, step in zip(key, KEY_STEPS, strict=True)]
        left, right = first * np.uint64(FACTORS[0]), third * np.uint64(FACTORS[1])
        first, third = (right >> shift) ^ second ^ keys[0], (left >> shift) ^ fourth ^ keys[1]
        second, fourth = right & low_word, left & low_word
    return np.stack([first, second, third, fourth])
