"""Rows of token ids of different lengths in one memory-mapped file, read as padded batches."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PADDING = 0
TOKENS, STARTS, LENGTHS = "tokens.bin", "starts.npy", "lengths.npy"


class Ragged:
    """Token ids of rows; indexing (slice or positions) returns int32 `[rows, longest row]`, padded with 0."""

    def __init__(self, values: NDArray[np.int32], starts: NDArray[np.int64], lengths: NDArray[np.int32]) -> None:
        """`values` has the rows one after the other, in any order; row r is `values[starts[r]:][:lengths[r]]`."""
        self.values, self.starts, self.lengths = values, starts, lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, rows: Any) -> NDArray[np.int32]:
        starts, lengths = self.starts[rows], self.lengths[rows]
        if np.ndim(lengths) == 0:
            return np.array(self.values[starts : starts + lengths])
        columns = np.arange(max(1, int(lengths.max(initial=0))))
        is_token = columns < lengths[:, None]
        padded = np.full(is_token.shape, PADDING, np.int32)
        padded[is_token] = self.values[(starts[:, None] + columns)[is_token]]
        return padded

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows, and the length of the longest."""
        return len(self), int(self.lengths.max(initial=1))


class RaggedWriter:
    """Writes the ids of rows in any order; raises OSError if the disk is full."""

    def __init__(self, folder: Path, num_rows: int) -> None:
        """`folder` must exist."""
        self._folder, self._end = folder, 0
        self._starts, self._lengths = np.zeros(num_rows, np.int64), np.zeros(num_rows, np.int32)
        self._file = (folder / TOKENS).open("wb")

    def write(self, position: int, ids: NDArray[np.int32]) -> None:
        """Writes the ids of the row at `position`."""
        self._starts[position], self._lengths[position] = self._end, len(ids)
        self._file.write(ids.astype("<i4").tobytes())
        self._end += len(ids)

    def close(self) -> None:
        """Writes the starts and lengths of the rows."""
        self._file.close()
        _save(self._folder / STARTS, self._starts)
        _save(self._folder / LENGTHS, self._lengths)


def open_ragged(folder: Path) -> Ragged:
    """Opens the files of a RaggedWriter read-only; raises ValueError if they do not match."""
    starts, lengths = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in (STARTS, LENGTHS))
    path = folder / TOKENS
    num_values = path.stat().st_size // 4
    if len(starts) != len(lengths) or int((starts + lengths).max(initial=0)) > num_values:
        raise ValueError(f"{path.name} is shorter than its rows")
    # an empty file cannot be mapped
    values = np.memmap(path, "<i4", mode="r") if num_values else np.empty(0, np.int32)
    return Ragged(values, starts, lengths)


def _save(path: Path, array: NDArray[Any]) -> None:
    """Like np.save, whose OSError on a full disk has no errno."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    path.write_bytes(buffer.getvalue())
