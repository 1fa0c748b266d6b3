"""Positions in [0, 1) by a keyed hash of the row id alone. A change here would move the rows of every user."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray


def hash_position(key: str | bytes, seed: int) -> float:
    """Returns the position of a row or group in [0, 1), evenly distributed."""
    data = key.encode() if isinstance(key, str) else key
    digest = blake2b(data, key=str(seed).encode(), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48  # 48 bits: exact in a float, and never rounded up to 1


def hash_positions(keys: Iterable[bytes], seed: int) -> NDArray[np.float64]:
    """Returns `hash_position` of each key: `[keys]`."""
    seeded = blake2b(key=str(seed).encode(), digest_size=6)
    digests = bytearray()
    for key in keys:
        keyed = seeded.copy()
        keyed.update(key)
        digests += b"\0\0" + keyed.digest()
    return np.frombuffer(bytes(digests), ">u8").astype(np.float64) / 2**48


def compute_interval_ends(fractions: Sequence[float]) -> list[float]:
    """Returns the end of each fraction's interval in [0, 1]; fractions are positive and need not sum to 1."""
    ends = [end / sum(fractions) for end in accumulate(fractions)]
    ends[-1] = 1.0  # whatever the rounding
    return ends


def assign_by_fractions(hashes: NDArray[np.float64], fractions: Sequence[float]) -> NDArray[np.int8]:
    """Returns the index of the interval that contains each position: `[rows]`."""
    return np.searchsorted(compute_interval_ends(fractions), hashes, side="right").astype(np.int8)


def cut_in_order(sizes: NDArray[np.int64], ends: NDArray[np.float64], is_needed: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Returns the split of each item: `[items]`; items are in order.

    A split ends after the item where the number of rows so far is closest to its end.

    Args:
        sizes: `[items]`: rows of each item.
        ends: `[splits]`: rows up to the end of each split; the last is that of all items.
        is_needed: `[splits]`: whether a split gets an item in any case, if there are enough for all that do.
    """
    needed = is_needed.astype(int) * (len(sizes) >= is_needed.sum())
    num_before, cuts = np.append(0, np.cumsum(sizes)), [0]
    for index, end in enumerate(ends[:-1]):
        low, high = cuts[-1] + needed[index], len(sizes) - needed[index + 1 :].sum()
        cuts.append(low + int(np.abs(num_before[low : high + 1] - np.rint(end)).argmin()))
    return np.searchsorted(np.array(cuts[1:]), np.arange(len(sizes)), side="right").astype(np.int8)


def assign_by_counts(hashes: NDArray[np.float64], sizes: NDArray[np.int64], counts: Sequence[int]) -> NDArray[np.int8]:
    """Returns the split of each group of rows: in the order of positions, until a split has its count.

    `sizes`: rows of each group. Exact where groups are single rows; else a split may exceed its count by less than one
    group.
    """
    order = np.argsort(hashes, kind="stable")
    starts = np.cumsum(sizes[order]) - sizes[order]
    assigned = np.empty(len(hashes), np.int8)
    assigned[order] = np.minimum(np.searchsorted(np.cumsum(counts), starts, side="right"), len(counts) - 1)
    return assigned
