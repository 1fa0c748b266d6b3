"""Packed bytes as a stream: gzip, bzip2, xz and Zstandard, counted as they are unpacked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, cast

import pyarrow as pa

from headrace.data.sources.limits import UnpackBudget

Packing = Literal["gz", "bz2", "xz", "zst"]
CHUNK = 1 << 20
MAGIC: dict[bytes, Packing] = {
    b"\x1f\x8b\x08": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
}
BZIP2_BLOCKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
"""What follows `BZh` and a digit: the first block, or the end of an empty file. A text may begin with BZh too."""


def packing_of(head: bytes) -> Packing | None:
    """How a file that begins with `head` (at least 10 bytes) is packed, if it is."""
    for magic, packing in MAGIC.items():
        if head.startswith(magic) and (packing != "bz2" or head[4:10] in BZIP2_BLOCKS):
            return packing
    return None


def open_packed(path: Path, packing: Packing | None) -> BinaryIO:
    """Opens a file for reading its unpacked bytes, from the first to the last."""
    if packing is None:
        return path.open("rb", buffering=CHUNK)
    if packing == "gz":
        import gzip

        unpacked: object = gzip.open(path)  # noqa: SIM115 - closed by the BufferedReader
    elif packing == "bz2":
        import bz2

        unpacked = bz2.open(path)  # noqa: SIM115 - closed by the BufferedReader
    elif packing == "xz":
        import lzma

        unpacked = lzma.open(path)  # noqa: SIM115 - closed by the BufferedReader
    else:  # of the readers of Zstandard, Arrow's is the one that tells a cut-off file from a whole one
        unpacked = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return io.BufferedReader(cast("io.RawIOBase", unpacked), CHUNK)


class CountedStream(io.RawIOBase):
    """A stream that is read once, forwards, each byte counted against the limits.

    Reads are cut into chunks, so that a header which claims terabytes meets the limit before the memory's end.
    """

    def __init__(self, file: BinaryIO, budget: UnpackBudget) -> None:
        self._file, self._budget, self._position = file, budget, 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads `size` bytes, or fewer at the end; ValueError for a negative size, which damaged headers ask for."""
        if size is None or size < 0:
            raise ValueError("negative size")
        if size <= CHUNK:
            return self._some(size)
        return b"".join(self.chunks(size))

    def chunks(self, size: int) -> Iterator[bytes]:
        """Reads `size` bytes piece by piece; EOFError where they end before."""
        while size > 0:
            chunk = self._some(min(size, CHUNK))
            if not chunk:
                raise EOFError("unexpected end of data")
            size -= len(chunk)
            yield chunk

    def rest(self) -> Iterator[bytes]:
        """Reads what is left, so that checksums at the end are checked."""
        while chunk := self._some(CHUNK):
            yield chunk

    def tell(self) -> int:
        """Unpacked bytes before the next one."""
        return self._position

    def seek(self, position: int, whence: int = io.SEEK_SET, /) -> int:
        """Skips forward; ValueError backwards, which damaged headers ask for."""
        if whence != io.SEEK_SET or position < self._position:
            raise ValueError("damaged header")
        for _ in self.chunks(position - self._position):
            pass
        return self._position

    def _some(self, size: int) -> bytes:
        chunk = self._file.read(size)
        self._position += len(chunk)
        self._budget.spend(len(chunk))
        return chunk
