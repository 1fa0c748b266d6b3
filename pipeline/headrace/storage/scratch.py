"""Columns of numbers on disk while a stage works: one value a row, however many rows, and none of them in memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


class Scratch:
    """Files below a folder that the caller removes; a column's rows are appended in order."""

    def __init__(self, folder: Path) -> None:
        """The folder must exist."""
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._kinds: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}

    def append(self, name: str, values: NDArray[Any]) -> None:
        """Adds `[rows, ...]`; raises OSError when the disk is full."""
        if name not in self._files:
            # by number: a name may hold a slash, or be too long for a file
            self._files[name] = (self._folder / str(len(self._files))).open("wb")
            self._kinds[name] = (values.dtype, values.shape[1:])
        dtype, _ = self._kinds[name]
        self._files[name].write(np.ascontiguousarray(values, dtype).tobytes())

    def read(self, name: str) -> NDArray[Any]:
        """A whole column, in memory."""
        return np.array(self.open(name))

    def open(self, name: str) -> NDArray[Any]:
        """A whole column, memory-mapped, read-only."""
        self._files[name].flush()
        dtype, shape = self._kinds[name]
        path = Path(self._files[name].name)
        if path.stat().st_size == 0:
            return np.empty((0, *shape), dtype)
        return np.memmap(path, dtype, mode="r").reshape(-1, *shape)

    @property
    def names(self) -> list[str]:
        """Of the columns that there are."""
        return list(self._files)

    def close(self) -> None:
        """Ends writing and reading; what a full disk did not take is told by then."""
        for file in self._files.values():
            with suppress(OSError):
                file.close()
