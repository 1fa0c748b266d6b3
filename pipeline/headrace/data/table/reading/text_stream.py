"""Reads text files for the parsers: decompressed, decoded, with line feeds as line ends, one block at a time."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.data.sources.archives.compression import (
    COMPRESSIONS,
    open_decompressed,
    translate_decompression_errors,
)
from headrace.data.sources.text_encoding import check_encoding, detect_encoding
from headrace.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 1024 * 1024


def read_text_blocks(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file; raises DataError, with the line, for undecodable bytes and for zero bytes.

    A lone carriage return is a line end in a file that has no other line ends, otherwise a blank.
    """
    blocks = _read_decompressed(path)
    first = next(blocks, b"")
    name = detect_encoding(first) if encoding == "auto" else check_encoding(encoding)
    decoder = codecs.getincrementaldecoder(name)()
    num_lines, carried, lone_return = 1, "", " "
    for index, block in enumerate(chain([first], blocks, [b""])):
        try:
            text = carried + decoder.decode(block, final=not block)
        except UnicodeError as error:
            raise _undecodable(path, num_lines, name, error) from None
        if index == 0:
            text = text.removeprefix("\ufeff")
            lone_return = " " if "\n" in text else "\n"
        carried = "\r" if block and text.endswith("\r") else ""  # its \n may begin the next block
        text = text.removesuffix("\r") if carried else text
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", lone_return)
        if "\0" in text:
            line = num_lines + text.count("\n", 0, text.index("\0"))
            raise DataError(
                f"{path}: line {line}: contains a zero byte, so it is not text; give a text table or Parquet"
            )
        num_lines += text.count("\n")
        yield text


def read_lines(path: Path, encoding: str) -> Iterator[str]:
    """The lines of a file, without their ends; raises what `read_text_blocks` does."""
    for lines in read_line_blocks(path, encoding):
        yield from lines


def read_line_blocks(path: Path, encoding: str) -> Iterator[list[str]]:
    """The same, as many at a time as a block of text contains."""
    rest = ""
    for block in read_text_blocks(path, encoding):
        *lines, rest = (rest + block).split("\n")
        yield lines
    yield [rest]


def read_beginning(path: Path) -> tuple[str, bytes]:
    """The encoding that `read_text_blocks` detects, and the bytes that show it."""
    first = next(_read_decompressed(path), b"")
    return detect_encoding(first), first


def skip_lines(blocks: Iterable[str], num_lines: int) -> Iterator[str]:
    """Drops the first lines."""
    remaining = num_lines
    for block in blocks:
        parts = block.split("\n", remaining) if remaining else [block]
        remaining -= len(parts) - 1
        if not remaining:
            yield parts[-1]


def collapse_whitespace(blocks: Iterable[str]) -> Iterator[str]:
    """Replaces each run of blanks and tabs by one blank, and removes them at the ends of lines."""
    rest = ""
    for block in chain(blocks, ["\n"]):
        lines, end, rest = (rest + block).rpartition("\n")
        if end:
            yield re.sub(r"[ \t]+", " ", re.sub(r"^[ \t]+|[ \t]+$", "", lines, flags=re.MULTILINE)) + "\n"


class Utf8Stream(io.RawIOBase):
    """Presents blocks of text as a binary UTF-8 file, and counts the double quotes that were read."""

    def __init__(self, blocks: Iterator[str]) -> None:
        super().__init__()
        self._blocks, self._pending = blocks, memoryview(b"")
        self.num_quotes = 0

    def readable(self) -> bool:
        """Returns True: the stream is read-only."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Copies at most the rest of the current block into a buffer; returns 0 at the end."""
        while not self._pending:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self.num_quotes += block.count('"')
            self._pending = memoryview(block.encode("utf-8", "replace"))
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._pending))
        target[:count], self._pending = self._pending[:count], self._pending[count:]
        return count


def _read_decompressed(path: Path) -> Iterator[bytes]:
    """The content of a file, decompressed according to its extension."""
    with translate_decompression_errors(path), open_decompressed(path, COMPRESSIONS.get(path.suffix.lower())) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _undecodable(path: Path, num_lines: int, encoding: str, error: UnicodeError) -> DataError:
    if not isinstance(error, UnicodeDecodeError):  # UTF-16 and UTF-32 without a byte order mark
        return DataError(f"{path}: cannot be decoded as {encoding} ({error}); set ingest.table.encoding: auto")
    line = num_lines + error.object.count(b"\n", 0, error.start)
    likely = detect_encoding(error.object)
    remedy = f"set ingest.table.encoding: {likely}" if likely not in (error.encoding, "utf-8") else "fix that line"
    byte = error.object[error.start]
    return DataError(f"{path}: line {line}: byte 0x{byte:02x} cannot be decoded as {error.encoding}; {remedy}")
