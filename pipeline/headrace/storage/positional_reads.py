"""Rows of large files read by position, because mapping the file would fill the memory."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.errors import DataError
from headrace.storage.ragged import PADDING, Ragged

MAX_MAPPED_BYTES = 256 * 2**20
"""Larger files are read without mapping. Rows of 3 KB: 0.9 million per second mapped, 0.3 million read one by one."""


class PositionalReader:
    """Rows of a memory-mapped array or a Ragged, indexed by position and read from the file, not through the mapping.

    Random reads through a mapping soon bring the whole file into memory, up to 2 MB per row. The kernel would reclaim
    these pages if necessary, but until then they count towards the process, also for container limits that kill it.
    """

    def __init__(self, rows: Any) -> None:
        """`rows`: inputs from `open_arrays`; raises OSError if the file cannot be opened."""
        self.rows = rows
        values: Any = rows.values if isinstance(rows, Ragged) else rows
        self._offset, self._bytes_per_value = values.offset, values.itemsize
        self._path = values.filename
        self._file = os.open(self._path, os.O_RDONLY)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self._read_ragged(rows) if isinstance(self.rows, Ragged) else self._read_rows(rows)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def _read_rows(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        values = np.empty((len(rows), *self.rows.shape[1:]), self.rows.dtype)
        values_per_row = values[0].size if len(values) else 0
        for target, row in zip(values, rows.tolist(), strict=True):
            self._read(target.reshape(-1), row * values_per_row)
        return values

    def _read_ragged(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        starts, lengths = self.rows.starts[rows].tolist(), self.rows.lengths[rows].tolist()
        padded = np.full((len(rows), max([1, *lengths])), PADDING, np.int32)
        for target, start, length in zip(padded, starts, lengths, strict=True):
            self._read(target[:length], start)
        return padded

    def _read(self, target: NDArray[Any], start: int) -> None:
        """Fills an array with the values that begin at index `start`."""
        buffer, num_read = memoryview(target.data).cast("B"), 0
        while num_read < len(buffer):
            count = os.preadv(self._file, [buffer[num_read:]], self._offset + start * self._bytes_per_value + num_read)
            if count == 0:
                raise DataError(f"{self._path}: shorter than its rows; run: dvc repro --force")
            num_read += count


def without_mapping(rows: Any) -> Any:
    """Returns rows that keep memory bounded: a PositionalReader for a large mapped file, otherwise `rows` itself."""
    values = rows.values if isinstance(rows, Ragged) else rows
    is_mapped = getattr(values, "filename", None) is not None
    return PositionalReader(rows) if is_mapped and values.nbytes > MAX_MAPPED_BYTES and hasattr(os, "preadv") else rows
