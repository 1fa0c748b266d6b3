"""MinHash of texts: signatures that estimate the similarity of texts, and banded hashes to find similar pairs.

Broder (1997), On the resemblance and containment of documents. Each minimum is stored in 8 bits: Li and Koenig (2010),
b-bit minwise hashing.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SHINGLE = 5
"""Characters; with shingles of words, one different word in a short message would count several times."""
NUM_HASHES = 128
"""Per signature: the standard error at a similarity of 0.8 is 0.035."""
BANDS, ROWS = 21, 6
"""A pair of similarity s shares a band with probability 1 - (1 - s^6)^21: 99.8 % at 0.8, 93 % at 0.7, 1.5 % at 0.3."""
CHUNK = 16 * 1024
"""Shingles hashed at once; they fit the processor cache."""
CHANCE = 1 / 256
"""Probability that 8 bits of different minima agree."""


def compute_minhash(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Returns banded hashes `[texts, BANDS]` and signatures `[texts, NUM_HASHES]`, deterministic across processes."""
    minima = np.empty((NUM_HASHES, len(texts)), np.uint32)
    start = num_shingles = 0
    for end, text in enumerate(texts, 1):
        num_shingles += len(text)
        if num_shingles >= CHUNK or end == len(texts):
            minima[:, start:end] = _minima(texts[start:end])
            start, num_shingles = end, 0
    return _bands(minima), (minima * np.uint32(0x9E3779B1) >> 24).astype(np.uint8).T.copy()


def estimate_similarity(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Signatures `[pairs, NUM_HASHES]` -> estimated Jaccard similarity of their shingles `[pairs]`."""
    agreeing = (first == second).mean(axis=1)
    estimated: NDArray[np.float64] = np.maximum((agreeing - CHANCE) / (1 - CHANCE), 0)
    return estimated.astype(np.float32)


def _minima(texts: list[str]) -> NDArray[np.uint32]:
    """Minimum of each hash function over each text's shingles: `[NUM_HASHES, texts]`."""
    hashes, starts = _shingles(texts)
    factors, summands = _functions()
    minima = np.empty((NUM_HASHES, len(texts)), np.uint32)
    hashed = np.empty_like(hashes)
    for index in range(NUM_HASHES):
        np.multiply(hashes, factors[index], out=hashed)
        hashed += summands[index]
        np.minimum.reduceat(hashed, starts, out=minima[index])
    return minima


def _shingles(texts: list[str]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """Hashes of all shingles in text order, and the start index of each text; short texts are padded with spaces."""
    padded = [text.ljust(SHINGLE) for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le"), "<u4").astype(np.uint64)
    num_windows = len(codes) - SHINGLE + 1
    rolled = np.zeros(num_windows, np.uint64)
    for offset in range(SHINGLE):
        rolled = rolled * np.uint64(0x100000001B3) + codes[offset : offset + num_windows]
    lengths = np.array([len(text) for text in padded])
    is_within = np.ones(num_windows, bool)
    over = np.cumsum(lengths)[:-1, None] - np.arange(1, SHINGLE)  # these windows extend into the next text
    is_within[over] = False
    starts = np.cumsum(lengths - SHINGLE + 1) - (lengths - SHINGLE + 1)
    return (_mixed(rolled[is_within]) >> np.uint64(32)).astype(np.uint32), starts


@lru_cache(maxsize=1)
def _functions() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Odd factors and summands: x -> factor * x + summand modulo 2^32 is a hash function."""
    drawn = _mixed(np.arange(NUM_HASHES, dtype=np.uint64))
    return (drawn >> np.uint64(32)).astype(np.uint32) | np.uint32(1), drawn.astype(np.uint32)


def _bands(minima: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """`[NUM_HASHES, texts]` -> `[texts, BANDS]`: equal if the ROWS minima of the band are."""
    banded = minima[: BANDS * ROWS].reshape(BANDS, ROWS, -1).astype(np.uint64)
    hashes = np.repeat(np.arange(BANDS, dtype=np.uint64)[:, None], banded.shape[2], axis=1)
    for row in range(ROWS):
        hashes = _mixed(hashes ^ banded[:, row])
    return hashes.T.copy()


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (https://prng.di.unimi.it/splitmix64.c): every output bit depends on every input bit."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
