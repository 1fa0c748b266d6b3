"""Decompression of gzip, bzip2, xz and Zstandard: one table, for archives, tables and IDX files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa

from headrace.errors import USER_ERRNOS, DataError

Compression = Literal["gz", "bz2", "xz", "zst"]
CHUNK = 1 << 20
COMPRESSIONS: dict[str, Compression] = {".gz": "gz", ".bz2": "bz2", ".xz": "xz", ".zst": "zst"}
"""File extension -> compression."""
MAGIC: dict[bytes, Compression] = {
    b"\x1f\x8b\x08": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
}
BZIP2_BLOCKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
"""What follows `BZh` and a digit: the first block, or the end of an empty file. Text may begin with BZh too."""
DECOMPRESSORS: dict[Compression, Callable[[Path], Any]] = {
    "gz": gzip.open,
    "bz2": bz2.open,
    "xz": lzma.open,
    # the reader of the package zstandard takes a truncated file for a complete one
    "zst": lambda path: pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"),
}
DECOMPRESSION_ERRORS = (EOFError, zlib.error, lzma.LZMAError, OSError)
"""What reading a damaged file raises; of OSError, only those whose `errno` is not in USER_ERRNOS."""


def detect_compression(head: bytes) -> Compression | None:
    """Returns the compression of a file that begins with `head` (at least 10 bytes), or None."""
    for magic, compression in MAGIC.items():
        if head.startswith(magic) and (compression != "bz2" or head[4:10] in BZIP2_BLOCKS):
            return compression
    return None


def open_decompressed(path: Path, compression: Compression | None) -> BinaryIO:
    """Opens a file for reading its decompressed bytes; reading raises DECOMPRESSION_ERRORS if it is damaged."""
    if compression is None:
        return path.open("rb", buffering=CHUNK)
    return io.BufferedReader(DECOMPRESSORS[compression](path), CHUNK)


@contextmanager
def translate_decompression_errors(path: Path) -> Iterator[None]:
    """Raises DataError for a damaged or unreadable file; a full disk and the like pass unchanged."""
    try:
        yield
    except DECOMPRESSION_ERRORS as error:
        if not isinstance(error, OSError) or error.errno is None:  # bz2, gzip and Arrow raise OSError without a number
            raise DataError(f"{path}: damaged {path.suffix[1:].lower()} ({error}); download it again") from None
        if error.errno in USER_ERRNOS:
            raise
        raise DataError(f"{path}: cannot be read ({error.strerror}); fix or remove it") from None
