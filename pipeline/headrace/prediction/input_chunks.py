"""Chunks of an input: successive rows that can be sent to another process, which then reads their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.data.image.reading.image_loader import LOAD_LIMITS, ImageLoader, LoadLimits
from headrace.data.sources.text_encoding import decode_text
from headrace.data.sources.transfer.urls import get_scheme

MAX_TEXT_BYTES = 256 * 2**20


class LoadedRows(NamedTuple):
    """Rows as the encoder takes them, and why some could not be read."""

    rows: list[dict[str, Any]]
    unreadable: dict[int, str]


class Payload(Protocol):
    """The rows of a chunk, loaded a slice at a time."""

    def load(self, start: int, stop: int) -> LoadedRows | NDArray[np.uint8]:
        """Returns rows, or pixels `[rows, height, width, channel]` of images that need no decoding."""
        ...


@dataclass(frozen=True)
class Chunk:
    """Successive rows of the input."""

    first_row: int
    sources: pa.Array
    """`[rows]` strings: where each row stands in the input."""
    payload: Payload
    copied: pa.RecordBatch | None = None
    """The columns that are copied to the output."""

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True)
class ImageFiles:
    """Images by path below a folder, or by URL."""

    base: Path
    names: Sequence[str | None]
    limits: LoadLimits = LOAD_LIMITS

    def load(self, start: int, stop: int) -> LoadedRows:
        """Reads the files; the web is asked for several at a time."""
        names = self.names[start:stop]
        loader = ImageLoader(self.base, self.limits)
        try:
            loaded = list(_map_in_threads(loader.load, names) if _has_urls(names) else map(loader.load, names))
        finally:
            loader.close()
        unreadable = {index: f"cannot be read ({each.problem})" for index, each in enumerate(loaded) if each.problem}
        return LoadedRows([{"image": each.data} for each in loaded], unreadable)


@dataclass(frozen=True)
class TextFiles:
    """Texts by path below a folder."""

    base: Path
    names: Sequence[str]
    column: str
    encoding: str

    def load(self, start: int, stop: int) -> LoadedRows:
        """Reads and decodes the files."""
        rows, unreadable = list[dict[str, Any]](), dict[int, str]()
        for index, name in enumerate(self.names[start:stop]):
            try:
                data = (self.base / name).read_bytes()
            except OSError as error:
                unreadable[index], data = f"cannot be read ({error.strerror})", b""
            if len(data) > MAX_TEXT_BYTES:
                unreadable[index], data = f"has {len(data)} bytes; at most {MAX_TEXT_BYTES} are read", b""
            text = decode_text(data, self.encoding) if data else ""
            rows.append({self.column: text.replace("\r\n", "\n").replace("\r", "\n")})
        return LoadedRows(rows, unreadable)


@dataclass(frozen=True)
class Cells:
    """Cells of a table."""

    columns: pa.RecordBatch

    def load(self, start: int, stop: int) -> LoadedRows:
        """Converts the cells to Python values."""
        return LoadedRows(self.columns.slice(start, stop - start).to_pylist(), {})


@dataclass(frozen=True)
class Pixels:
    """Decoded images."""

    pixels: NDArray[np.uint8]

    def load(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Returns `[rows, height, width, channel]`."""
        return self.pixels[start:stop]


def _has_urls(names: Sequence[str | None]) -> bool:
    return any(name and get_scheme(name) for name in names)


def _map_in_threads(work: Callable[[str | None], Any], names: Sequence[str | None]) -> Iterator[Any]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(LOAD_LIMITS.num_threads, thread_name_prefix="images") as pool:
        yield from pool.map(work, names)
