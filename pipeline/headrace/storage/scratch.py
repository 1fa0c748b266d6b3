"""Temporary columns of numbers on disk, for as many rows as there are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


class Scratch:
    """Columns in files below a folder that the caller removes; rows are appended in order."""

    def __init__(self, folder: Path) -> None:
        """`folder` must exist."""
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._types: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}

    def append(self, name: str, values: NDArray[Any]) -> None:
        """Appends `[rows, ...]` to a column; raises OSError if the disk is full."""
        if name not in self._files:
            # by number: a name may contain a slash, or be too long for a file
            self._files[name] = (self._folder / str(len(self._files))).open("wb")
            self._types[name] = (values.dtype, values.shape[1:])
        dtype, _ = self._types[name]
        self._files[name].write(np.ascontiguousarray(values, dtype).tobytes())

    def read(self, name: str) -> NDArray[Any]:
        """Reads a column into memory."""
        return np.array(self.open(name))

    def open(self, name: str) -> NDArray[Any]:
        """Maps a column into memory, read-only."""
        self._files[name].flush()
        dtype, shape = self._types[name]
        path = Path(self._files[name].name)
        if path.stat().st_size == 0:
            return np.empty((0, *shape), dtype)
        return np.memmap(path, dtype, mode="r").reshape(-1, *shape)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self._files)

    def close(self) -> None:
        """Closes the files; a full disk has raised before."""
        for file in self._files.values():
            with suppress(OSError):
                file.close()


@contextmanager
def open_scratch(folder: Path) -> Iterator[Scratch]:
    """Yields columns in an empty `folder`, which is removed afterwards; also removes what an interrupted run left."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    scratch = Scratch(folder)
    try:
        yield scratch
    finally:
        scratch.close()
        shutil.rmtree(folder, ignore_errors=True)
