"""How much a source may hold, so that a small archive cannot fill the disk.

Which errors of the operating system are told as they are.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from headrace.errors import DataError

FREE_BYTES = 10 * 2**20
"""Unpacked bytes from which on the ratio counts: small files of zeros are harmless."""


class SourceLimits(NamedTuple):
    """What one source may hold at most."""

    max_files: int = 2_000_000
    """Files and folders of an archive or of a remote folder."""
    max_bytes: int = 200 * 2**30
    """Bytes unpacked or downloaded."""
    max_ratio: int = 200
    """Unpacked bytes a packed byte, from FREE_BYTES on."""


LIMITS = SourceLimits()


class UnpackBudget:
    """Counts what is really unpacked; raises DataError once it passes a limit."""

    def __init__(self, limits: SourceLimits, packed_bytes: int, where: str) -> None:
        self._limits, self._packed_bytes, self._where = limits, packed_bytes, where
        self._most_bytes = min(limits.max_bytes, max(limits.max_ratio * packed_bytes, FREE_BYTES))
        self._num_entries = self._num_bytes = 0

    def enter(self, num_entries: int = 1) -> None:
        """Counts files and folders."""
        self._num_entries += num_entries
        if self._num_entries > self._limits.max_files:
            raise DataError(
                f"{self._where}: holds more than {self._limits.max_files:,} files and folders, the most that is"
                " taken; raise ingest.max_files if you trust it"
            )

    def spend(self, num_bytes: int) -> None:
        """Counts bytes as they leave the decompressor."""
        self._num_bytes += num_bytes
        if self._num_bytes <= self._most_bytes:
            return
        by_size = self._most_bytes == self._limits.max_bytes
        limit, remedy = f"{self._limits.max_bytes:,} bytes", "raise ingest.max_gib"
        if not by_size:
            limit, remedy = (
                f"{self._limits.max_ratio} times its {self._packed_bytes:,} bytes",
                "unpack it yourself and name the folder",
            )
        raise DataError(
            f"{self._where}: unpacks to more than {limit}, the most that is taken; {remedy} if you trust it"
        )


LOCAL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
"""Troubles of this machine's disk, not of the source that is read: the command line tells them in one line."""
