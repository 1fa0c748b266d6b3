"""Limits on the size of a source, so that a small archive cannot fill the disk."""

from __future__ import annotations

from typing import NamedTuple

from headrace.errors import DataError

FREE_BYTES = 10 * 2**20
"""The compression ratio is not checked below this many unpacked bytes: small files of zeros are harmless."""


class SourceLimits(NamedTuple):
    """The most that one source may contain, and where it may lead."""

    max_files: int = 2_000_000
    """Files and folders in an archive or a remote folder."""
    max_bytes: int = 200 * 2**30
    """Bytes unpacked or downloaded."""
    max_ratio: int = 200
    """Unpacked bytes per packed byte, above FREE_BYTES."""
    allow_private_addresses: bool = False
    """Redirects to this machine and its network; the address that a user gives is always allowed."""


LIMITS = SourceLimits()


class UnpackBudget:
    """Counts what is unpacked, and raises DataError once it exceeds a limit."""

    def __init__(self, limits: SourceLimits, packed_bytes: int, where: str) -> None:
        """`where` begins the error messages."""
        self._limits, self._packed_bytes, self._where = limits, packed_bytes, where
        self._max_bytes = min(limits.max_bytes, max(limits.max_ratio * packed_bytes, FREE_BYTES))
        self._num_entries = self._num_bytes = 0

    def add_entry(self) -> None:
        """Counts a file or folder."""
        self._num_entries += 1
        if self._num_entries > self._limits.max_files:
            raise DataError(
                f"{self._where}: contains more than {self._limits.max_files:,} files and folders, the most that is"
                " allowed; raise ingest.max_files if you trust it"
            )

    def add_bytes(self, num_bytes: int) -> None:
        """Counts unpacked bytes."""
        self._num_bytes += num_bytes
        if self._num_bytes <= self._max_bytes:
            return
        limit, remedy = f"{self._limits.max_bytes:,} bytes", "raise ingest.max_gib"
        if self._max_bytes < self._limits.max_bytes:
            limit = f"{self._limits.max_ratio} times its {self._packed_bytes:,} bytes"
            remedy = "unpack it yourself and give the folder"
        raise DataError(
            f"{self._where}: unpacks to more than {limit}, the most that is allowed; {remedy} if you trust it"
        )
