"""Rows of large files read one by one, where mapping the file would fill the memory."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.errors import DataError
from headrace.storage.ragged import PADDING, Ragged

MOST = 256 * 2**20
"""Bytes of a file that may stay mapped. Rows of 3 KB: 0.9 million a second mapped, 0.3 million read one by one."""


class PositionalReader:
    """Rows of a memory-mapped array or a Ragged, read by their positions as by an index, without the mapping.

    Whoever reads rows here and there through a mapping soon has all of the file in its memory, by up to 2 MB a row; the
    kernel would take these pages back in need, but until then they count as the process', to every watcher and to
    limits of containers that kill by them.
    """

    def __init__(self, rows: Any) -> None:
        """`rows`: of `open_arrays`; raises OSError when the file cannot be opened."""
        self.rows = rows
        values: Any = rows.values if isinstance(rows, Ragged) else rows
        self._offset, self._bytes_per_value = values.offset, values.itemsize
        self._path = values.filename
        self._file = os.open(self._path, os.O_RDONLY)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self._ragged(rows) if isinstance(self.rows, Ragged) else self._even(rows)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def _even(self, rows: NDArray[np.int64]) -> NDArray[Any]:

        made = np.empty((len(rows), *self.rows.shape[1:]), self.rows.dtype)
        values_per_row = made[0].size if len(made) else 0
        for place, row in enumerate(rows.tolist()):
            self._read(made[place].reshape(-1), row * values_per_row)
        return made

    def _ragged(self, rows: NDArray[np.int64]) -> NDArray[Any]:

        starts, lengths = self.rows.starts[rows].tolist(), self.rows.lengths[rows].tolist()
        made = np.full((len(rows), max([1, *lengths])), PADDING, np.int32)
        for place, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            self._read(made[place, :length], start)
        return made

    def _read(self, into: NDArray[Any], start: int) -> None:
        """Fills an array with the values from the `start`th on."""
        bytes_, done = memoryview(into.data).cast("B"), 0
        while done < len(bytes_):
            read = os.preadv(self._file, [bytes_[done:]], self._offset + start * self._bytes_per_value + done)
            if read == 0:
                raise DataError(f"{self._path}: ends before its rows do; run: dvc repro --force")
            done += read


def without_mapping(rows: Any) -> Any:
    """The same rows by position; a large file's are read one by one, where the system can."""
    values = rows.values if isinstance(rows, Ragged) else rows
    is_mapped = getattr(values, "filename", None) is not None
    return PositionalReader(rows) if is_mapped and values.nbytes > MOST and hasattr(os, "preadv") else rows
