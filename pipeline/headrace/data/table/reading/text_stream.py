"""Text files as they are parsed: unpacked, decoded, with line feeds as line ends, a block at a time."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.data.sources.text_encoding import check_encoding, detect
from headrace.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 1024 * 1024
OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def unpacked(path: Path) -> Iterator[bytes]:
    """The content of a file, unpacked by what its name ends in; raises DataError where it cannot be."""
    import zstandard

    suffix = path.suffix.lower()
    try:
        if suffix == ".zst":
            yield from _zstd(path)
            return
        with OPENERS.get(suffix, io.open)(path, "rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield block
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise DataError(f"{path}: damaged {suffix[1:]} ({error}); fetch the file again") from None
    except OSError as error:  # bz2 tells of damage by one without a number
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); mend or remove it") from None


def _zstd(path: Path) -> Iterator[bytes]:
    """As a stream reader, which would take a truncated file for a short one."""
    import zstandard

    frame = zstandard.ZstdDecompressor().decompressobj()
    is_open = False
    with path.open("rb") as file:
        while data := file.read(BLOCK_BYTES // 16):
            while data:
                is_open = True
                if block := frame.decompress(data):
                    yield block
                data = b""
                if frame.eof:
                    is_open, data = False, frame.unused_data
                    frame = zstandard.ZstdDecompressor().decompressobj()
    if is_open:
        raise EOFError("ends before the end-of-frame marker was reached")


def text_blocks(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file; raises DataError, with the line, for what its encoding does not allow and for zero bytes.

    A lone carriage return is a line end in a file that has no other, else a blank.
    """
    blocks = unpacked(path)
    first = next(blocks, b"")
    name = detect(first) if encoding == "auto" else check_encoding(encoding)
    decoder = codecs.getincrementaldecoder(name)()
    num_lines, held, alone = 1, "", " "
    for index, block in enumerate(chain([first], blocks, [b""])):
        try:
            text = held + decoder.decode(block, final=not block)
        except UnicodeError as error:
            raise _undecodable(path, num_lines, name, error) from None
        if index == 0:
            text = text.removeprefix("\ufeff")
            alone = " " if "\n" in text else "\n"
        held = "\r" if block and text.endswith("\r") else ""  # its \n may begin the next block
        text = text.removesuffix("\r") if held else text
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", alone)
        if "\0" in text:
            line = num_lines + text.count("\n", 0, text.index("\0"))
            raise DataError(f"{path}: line {line}: holds a zero byte, so is no text; give a table of text or Parquet")
        num_lines += text.count("\n")
        yield text


def _undecodable(path: Path, num_lines: int, encoding: str, error: UnicodeError) -> DataError:
    if not isinstance(error, UnicodeDecodeError):  # UTF-16 and UTF-32 without a byte order mark
        return DataError(f"{path}: cannot be decoded as {encoding} ({error}); set ingest.table.encoding: auto")
    line = num_lines + error.object.count(b"\n", 0, error.start)
    likely = detect(error.object)
    remedy = f"set ingest.table.encoding: {likely}" if likely not in (error.encoding, "utf-8") else "mend that line"
    byte = error.object[error.start]
    return DataError(f"{path}: line {line}: byte 0x{byte:02x} cannot be decoded as {error.encoding}; {remedy}")


def skip(blocks: Iterable[str], num_lines: int) -> Iterator[str]:
    """Leaves out the first lines."""
    left = num_lines
    for block in blocks:
        parts = block.split("\n", left) if left else [block]
        left -= len(parts) - 1
        if not left:
            yield parts[-1]


def single_blanks(blocks: Iterable[str]) -> Iterator[str]:
    """Makes one blank of each run of blanks and tabs, and none at the ends of lines."""
    held = ""
    for block in chain(blocks, ["\n"]):
        whole, end, held = (held + block).rpartition("\n")
        if end:
            yield re.sub(r"[ \t]+", " ", re.sub(r"^[ \t]+|[ \t]+$", "", whole, flags=re.MULTILINE)) + "\n"


class Utf8(io.RawIOBase):
    """Blocks of text as a binary file in UTF-8; counts the double quotes that were read."""

    def __init__(self, blocks: Iterator[str]) -> None:
        super().__init__()
        self._blocks, self._left = blocks, memoryview(b"")
        self.num_quotes = 0

    def readable(self) -> bool:
        """Says that it is no file to write to."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills a buffer as far as the block at hand goes; 0 at the end."""
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self.num_quotes += block.count('"')
            self._left = memoryview(block.encode("utf-8", "replace"))
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._left))
        target[:count], self._left = self._left[:count], self._left[count:]
        return count
