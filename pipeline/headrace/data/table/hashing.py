"""64-bit hashes of cells, row ids and rows, identical on every machine: for finding duplicates and drawing samples."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.data.table.parsing import parse_numbers

Hashes = NDArray[np.uint64]

MISSING_HASH = 0
"""Hash of a missing cell; another cell has it no more often than any other 64-bit collision."""
_SALT = 0x9E3779B97F4A7C15


def mix_bits(hashes: Hashes) -> Hashes:
    """A bijection that spreads every bit over all 64 (the finalizer of SplitMix64, Steele et al., OOPSLA 2014)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def hash_numbers(values: NDArray[np.float64]) -> Hashes:
    """`[rows]`: 0 for NaN; -0 hashes as 0."""
    hashes = mix_bits((values + 0.0).view(np.uint64) ^ np.uint64(_SALT))
    hashes[np.isnan(values)] = MISSING_HASH
    return hashes


def hash_dates(values: NDArray[np.datetime64]) -> Hashes:
    """`[rows]`: 0 for NaT."""
    hashes = mix_bits(values.astype("M8[us]").view(np.uint64) ^ np.uint64(_SALT))
    hashes[np.isnat(values)] = MISSING_HASH
    return hashes


def hash_strings(text: pa.Array, *, spelling: bool = True) -> Hashes:
    """`[rows]`: 0 for null. Without `spelling`, `A` hashes as `a`, and `1.0` as the number 1."""
    encoded = text.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    if not spelling:
        words = [word.casefold() for word in words]
    hashes = np.array([_hash_word(word) for word in words] + [MISSING_HASH], np.uint64)
    if not spelling and words:
        numbers = parse_numbers(pa.array(words, pa.string())).values
        hashes[:-1] = np.where(np.isnan(numbers), hashes[:-1], hash_numbers(numbers))
    indices = encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    by_row: Hashes = hashes[indices]
    return by_row


def hash_row_ids(row_ids: pa.Array) -> Hashes:
    """`[rows]`: uniformly distributed over all 64 bits."""
    text = np.array(row_ids.to_pylist(), "S32").view(np.uint64).reshape(-1, 4)
    hashes = np.zeros(len(text), np.uint64)
    for column in range(4):
        hashes = mix_bits(hashes ^ text[:, column] ^ np.uint64(_SALT))
    return hashes


def combine_hashes(hashes: Hashes) -> NDArray[np.bytes_]:
    """`[rows, columns]` -> `[rows]` S16: one key per distinct combination."""
    data, width = np.ascontiguousarray(hashes).tobytes(), hashes.shape[1] * 8
    if not width:
        return np.zeros(len(hashes), "S16")
    keys = b"".join(blake2b(data[at : at + width], digest_size=16).digest() for at in range(0, len(data), width))
    return np.frombuffer(keys, "S16")


def _hash_word(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
