"""Cells, row ids and rows as 64-bit codes: what repeats and samples are found by, the same on every machine."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.data.table.parsing import numbers

Codes = NDArray[np.uint64]

MISSING = 0
"""The code of a missing cell; that another cell has it is as likely as any collision of 64 bits."""
_SALT = 0x9E3779B97F4A7C15


def mix(codes: Codes) -> Codes:
    """Spreads every bit over all 64, one to one (the finalizer of SplitMix64, Steele et al., OOPSLA 2014)."""
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))


def of_numbers(values: NDArray[np.float64]) -> Codes:
    """`[rows]`: 0 for NaN; -0 is 0."""
    codes = mix((values + 0.0).view(np.uint64) ^ np.uint64(_SALT))
    codes[np.isnan(values)] = MISSING
    return codes


def of_dates(values: NDArray[np.datetime64]) -> Codes:
    """`[rows]`: 0 for NaT."""
    codes = mix(values.astype("M8[us]").view(np.uint64) ^ np.uint64(_SALT))
    codes[np.isnat(values)] = MISSING
    return codes


def of_strings(text: pa.Array, *, spelling: bool = True) -> Codes:
    """`[rows]`: 0 for null. Without `spelling`, `A` is `a`, and `1.0` has the code of the number 1."""
    encoded = text.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    if not spelling:
        words = [word.casefold() for word in words]
    codes = np.array([_of_word(word) for word in words] + [MISSING], np.uint64)
    if not spelling and words:
        as_numbers = numbers(pa.array(words, pa.string()))
        codes[:-1] = np.where(np.isnan(as_numbers.values), codes[:-1], of_numbers(as_numbers.values))
    places = encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    taken: Codes = codes[places]
    return taken


def of_row_ids(row_ids: pa.Array) -> Codes:
    """`[rows]`: evenly spread over all 64 bits."""
    text = np.array(row_ids.to_pylist(), "S32").view(np.uint64).reshape(-1, 4)
    codes = np.zeros(len(text), np.uint64)
    for column in range(4):
        codes = mix(codes ^ text[:, column] ^ np.uint64(_SALT))
    return codes


def row_keys(codes: Codes) -> NDArray[np.bytes_]:
    """`[rows, columns]` -> `[rows]` S16: one key a combination."""
    data, width = np.ascontiguousarray(codes).tobytes(), codes.shape[1] * 8
    if not width:
        return np.zeros(len(codes), "S16")
    keys = b"".join(blake2b(data[at : at + width], digest_size=16).digest() for at in range(0, len(data), width))
    return np.frombuffer(keys, "S16")


def _of_word(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
