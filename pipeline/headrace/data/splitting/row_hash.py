"""Places: where a row lies between 0 and 1, by a keyed hash of its id alone, the same for ever."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray


def place(key: str | bytes, seed: int) -> float:
    """Where a row (or a group of rows) lies in [0, 1), evenly spread and the same for ever."""
    data = key.encode() if isinstance(key, str) else key
    digest = blake2b(data, key=str(seed).encode(), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48  # 48 bits: exact in a float, and never rounded up to 1


def places(keys: Iterable[bytes], seed: int) -> NDArray[np.float64]:
    """`place` of each key: `[keys]`."""
    made = blake2b(key=str(seed).encode(), digest_size=6)
    digests = bytearray()
    for key in keys:
        one = made.copy()
        one.update(key)
        digests += b"\0\0" + one.digest()
    return np.frombuffer(bytes(digests), ">u8").astype(np.float64) / 2**48


def interval_ends(shares: Sequence[float]) -> list[float]:
    """Where each share's interval ends in [0, 1]; shares are positive, of any sum."""
    ends = [end / sum(shares) for end in accumulate(shares)]
    ends[-1] = 1.0  # whatever the rounding
    return ends


def by_fractions(where: NDArray[np.float64], shares: Sequence[float]) -> NDArray[np.int8]:
    """Index of the interval that each place lies in: `[rows]`."""
    return np.searchsorted(interval_ends(shares), where, side="right").astype(np.int8)


def by_counts(where: NDArray[np.float64], sizes: NDArray[np.int64], counts: Sequence[int]) -> NDArray[np.int8]:
    """Index of the split of each unit of rows, in the order of places, until a split has its count.

    `sizes`: rows of each unit. Exact where units are single rows; else a split may have up to a unit's rows more.
    """
    order = np.argsort(where, kind="stable")
    started_at = np.cumsum(sizes[order]) - sizes[order]
    found = np.empty(len(where), np.int8)
    found[order] = np.minimum(np.searchsorted(np.cumsum(counts), started_at, side="right"), len(counts) - 1)
    return found
