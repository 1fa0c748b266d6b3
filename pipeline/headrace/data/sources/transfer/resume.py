"""Resumable downloads: a `.part` file, and the version of the content that it belongs to."""

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
"""Waits before each retry; a retry that received bytes starts the sequence again."""
T = TypeVar("T")


class TransientDownloadError(Exception):
    """The connection broke, or the server is busy: worth a retry."""


class RemoteContent(NamedTuple):
    """The content that a server sends."""

    version: str | None
    """Identifies this content; None if nothing does, so that a partial download cannot be resumed."""
    start: int
    """Offset of the first chunk in the file, in bytes."""
    total: int | None
    """Bytes of the complete file, if known."""
    chunks: Iterator[bytes]
    """Raises TransientDownloadError if the connection breaks."""


class PartialDownload(NamedTuple):
    """The result of an interrupted download."""

    num_bytes: int = 0
    version: str | None = None
    total: int | None = None


Opener = Callable[[PartialDownload], AbstractContextManager[RemoteContent]]


def part_path(path: Path) -> Path:
    """Returns the path of a download until it is complete."""
    return path.with_name(f".{path.name}.part")


def state_path(path: Path) -> Path:
    """Returns the path of the record about a partial download."""
    return path.with_name(f".{path.name}.part.json")


def download_resumable(open_at: Opener, path: Path, *, max_bytes: int, where: str) -> str | None:
    """Completes the partial download of `path` and returns its version; raises DataError if all retries fail."""
    part = part_path(path)
    return retry(lambda: _download_once(open_at, path, max_bytes, where), lambda: _size(part), where)


def retry(step: Callable[[], T], progress: Callable[[], int], where: str) -> T:
    """Repeats a step after each TransientDownloadError.

    Raises DataError after WAITS_S without an increase of `progress` (bytes).
    """
    most_bytes, num_retries = progress(), 0
    while True:
        try:
            return step()
        except TransientDownloadError as error:
            if progress() > most_bytes:
                most_bytes, num_retries = progress(), 0
            if num_retries == len(WAITS_S):
                raise DataError(
                    f"{where}: {error}, {num_retries + 1} times in a row; check the network and the URL, then run the"
                    " same command again: it resumes where it stopped"
                ) from None
            time.sleep(WAITS_S[num_retries])
            num_retries += 1


def read_state(path: Path) -> dict[str, Any]:
    """Reads the JSON record of a download; returns {} if it is missing or damaged."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _download_once(open_at: Opener, path: Path, max_bytes: int, where: str) -> str | None:
    part, partial = part_path(path), _read_partial(path)
    if partial.total is not None and partial.num_bytes == partial.total:  # stopped just before the rename
        return partial.version
    with open_at(partial) as content, part.open("ab") as file, progress_bar(path.name, content.total, "bytes") as show:
        _check_size(content.total or 0, max_bytes, where)
        file.truncate(content.start)
        write_json(state_path(path), {"version": content.version, "total": content.total})
        num_bytes = content.start
        for chunk in content.chunks:
            num_bytes += len(chunk)
            _check_size(num_bytes, max_bytes, where)
            file.write(chunk)
            show(num_bytes)
    if content.total is not None and num_bytes != content.total:
        if num_bytes > content.total:
            part.unlink()
        raise TransientDownloadError(f"got {num_bytes:,} of {content.total:,} bytes")
    return content.version


def _read_partial(path: Path) -> PartialDownload:
    state, part = read_state(state_path(path)), part_path(path)
    version, total = state.get("version"), state.get("total")
    if not isinstance(version, str) or not part.is_file():
        return PartialDownload()
    return PartialDownload(part.stat().st_size, version, total if isinstance(total, int) else None)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _check_size(num_bytes: int, max_bytes: int, where: str) -> None:
    if num_bytes > max_bytes:
        raise DataError(f"{where}: has more than {max_bytes:,} bytes, the most that is allowed; raise ingest.max_gib")
