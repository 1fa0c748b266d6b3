"""Pages of memory-mapped files: given back before a large set fills the memory that others need."""

from __future__ import annotations

import mmap
from typing import Any

from pipeline.storage.ragged import Ragged

MOST = 256 * 2**20
"""Bytes of a mapping that may stay in memory; a set of fewer is never given back."""
AROUND = 2**16
"""Bytes that Linux maps around each that is read (fault_around_bytes, Documentation/filesystems/debugfs)."""


class Pages:
    """Of the rows of one array: counts those that are read.

    The kernel would take the pages back when memory runs out, but until then they count as the process', to every
    watcher and to limits of containers that kill by them. What is given back stays in the file cache: the next read of
    it costs a microsecond.
    """

    def __init__(self, rows: Any) -> None:
        """`rows`: a memory-mapped array, or a Ragged of them; any other array is left alone."""
        array = rows.values if isinstance(rows, Ragged) else rows
        mapping = getattr(array, "base", None)
        can_give_back = isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED")
        self._mapping = mapping if can_give_back and array.nbytes > MOST else None
        self._bytes_per_row = AROUND + (array.nbytes // len(rows) if len(rows) else 0)
        self._num_bytes = 0

    def count(self, num_rows: int) -> None:
        """Tells that rows were read; gives all pages back where that could be too many by now."""
        if self._mapping is None:
            return
        self._num_bytes += num_rows * self._bytes_per_row
        if self._num_bytes >= MOST:
            self._mapping.madvise(mmap.MADV_DONTNEED)
            self._num_bytes = 0
