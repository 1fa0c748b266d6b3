"""A download that goes on where it stopped: a `.part` file, and beside it what tells whether it still fits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from headrace.errors import DataError
from headrace.storage.atomic import write_json
from headrace.terminal import progress_bar

WAITS_S = (1.0, 2.0, 4.0, 8.0)
"""Before each new try; a try that brought new bytes begins the row anew."""
T = TypeVar("T")


class TransientDownloadError(Exception):
    """The connection broke, or the other side is busy: worth another try."""


class RemoteContent(NamedTuple):
    """What the other side sends."""

    version: str | None
    """Tells this content from earlier and later ones; None where nothing does, so that no part can be kept."""
    start: int
    """Offset of the first chunk in the file, in bytes."""
    total: int | None
    """Bytes of the whole file, where known."""
    chunks: Iterator[bytes]
    """Raises DroppedError where the connection breaks."""


class PartialDownload(NamedTuple):
    """What an earlier try left."""

    num_bytes: int = 0
    version: str | None = None
    total: int | None = None


Opener = Callable[[PartialDownload], AbstractContextManager[RemoteContent]]


def part_path(path: Path) -> Path:
    """Where a download stands until it is whole."""
    return path.with_name(f".{path.name}.part")


def note_path(path: Path) -> Path:
    """Where it stands what the part is a part of."""
    return path.with_name(f".{path.name}.part.json")


def receive(open_at: Opener, path: Path, *, max_bytes: int, where: str) -> str | None:
    """Fills the part of `path` to its end and returns its version; raises DataError after several vain tries."""
    part = part_path(path)
    return retrying(lambda: _receive(open_at, path, max_bytes, where), lambda: _size(part), where)


def retrying(step: Callable[[], T], progress: Callable[[], int], where: str) -> T:
    """Takes a step again after a DroppedError; DataError when `progress` (bytes) has stood for all of WAITS_S."""
    best, tries = progress(), 0
    while True:
        try:
            return step()
        except TransientDownloadError as error:
            if progress() > best:
                best, tries = progress(), 0
            if tries == len(WAITS_S):
                raise DataError(
                    f"{where}: {error}, {tries + 1} times in a row; look at the network and the address, then run the"
                    " same command again: it goes on where it stopped"
                ) from None
            time.sleep(WAITS_S[tries])
            tries += 1


def read_note(path: Path) -> dict[str, Any]:
    """The small JSON beside a download; empty when there is none to trust."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _receive(open_at: Opener, path: Path, max_bytes: int, where: str) -> str | None:
    part = part_path(path)
    known = _known(path)
    if known.total is not None and known.num_bytes == known.total:  # stopped between the last byte and the rename
        return known.version
    with open_at(known) as answer, part.open("ab") as file, progress_bar(path.name, answer.total, "bytes") as show:
        _refuse_excess(answer.total or 0, max_bytes, where)
        file.truncate(answer.start)
        write_json(note_path(path), {"version": answer.version, "total": answer.total})
        num_bytes = answer.start
        for chunk in answer.chunks:
            num_bytes += len(chunk)
            _refuse_excess(num_bytes, max_bytes, where)
            file.write(chunk)
            show(num_bytes)
    if answer.total is not None and num_bytes != answer.total:
        if num_bytes > answer.total:
            part.unlink()
        raise TransientDownloadError(f"got {num_bytes:,} of {answer.total:,} bytes")
    return answer.version


def _known(path: Path) -> PartialDownload:
    note, part = read_note(note_path(path)), part_path(path)
    version, total = note.get("version"), note.get("total")
    if not isinstance(version, str) or not part.is_file():
        return PartialDownload()
    return PartialDownload(part.stat().st_size, version, total if isinstance(total, int) else None)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _refuse_excess(num_bytes: int, max_bytes: int, where: str) -> None:
    if num_bytes > max_bytes:
        raise DataError(f"{where}: holds more than {max_bytes:,} bytes, the most that is taken; raise ingest.max_gib")
