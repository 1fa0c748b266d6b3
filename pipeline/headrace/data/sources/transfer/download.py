"""Downloads into the cache: complete, verified, and only once."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import NamedTuple

from headrace.data.sources.limits import LIMITS, SourceLimits
from headrace.data.sources.transfer.checksums import has_checksum, verify_checksum
from headrace.data.sources.transfer.filesystems import RemotePath
from headrace.data.sources.transfer.http_client import is_web_page, open_url
from headrace.data.sources.transfer.resume import Opener, download_resumable, part_path, read_state, state_path
from headrace.data.sources.transfer.urls import WEB, check_url, get_scheme, make_cache_key, make_file_name, redact_url
from headrace.errors import ConfigError, DataError
from headrace.storage.atomic import write_json
from headrace.storage.lock import exclusive_lock

PAGE_NAMES = (".html", ".htm", ".xhtml")


def download(
    url: str, cache_dir: Path, *, checksum: str | None = None, limits: SourceLimits = LIMITS, into: Path | None = None
) -> Path:
    """Returns the local copy of a remote file or folder: `cache_dir/<key of the URL>/<name>`, or `into/<name>`.

    A complete copy is reused without network access, even if the URL has something newer: remove it to download
    again. An interrupted download resumes where it stopped. Raises ConfigError for an unsupported URL and DataError if
    the download fails; neither message contains the secrets of the URL.
    """
    check_url(url)
    path = (into or cache_dir / make_cache_key(url)) / make_file_name(url)
    request = _Request(url, path, checksum, limits, f"params.yaml: ingest.source: {redact_url(url)!r}")
    if _is_cached(request):
        return path
    with exclusive_lock(path.with_name(".lock"), f"the download of {redact_url(url)}"):
        if get_scheme(url) in WEB:
            _fetch_file(partial(open_url, url, request.where, allow_private=limits.allow_private_addresses), request)
        else:
            remote = RemotePath(url, request.where)
            if remote.is_folder():
                _fetch_folder(remote, request)
            else:
                _fetch_file(remote.open, request)
    return path


class _Request(NamedTuple):
    url: str
    path: Path
    checksum: str | None
    limits: SourceLimits
    where: str


def _is_cached(request: _Request) -> bool:
    path, record = request.path, read_state(_record_path(request.path))
    if record.get("key") != make_cache_key(request.url):
        return False
    if path.is_dir():
        return request.checksum is None
    if not path.is_file() or record.get("bytes") != path.stat().st_size:
        return False
    return request.checksum is None or has_checksum(path, request.checksum)


def _fetch_file(open_at: Opener, request: _Request) -> None:
    version = download_resumable(open_at, request.path, max_bytes=request.limits.max_bytes, where=request.where)
    part = part_path(request.path)
    try:
        _refuse_page(part, request.path.suffix, request.where)
        if request.checksum is not None:
            verify_checksum(part, request.checksum, request.where)
    except DataError:
        part.unlink()  # complete, but not the right file: nothing to resume
        raise
    _finish(request, part.stat().st_size, version)


def _fetch_folder(remote: RemotePath, request: _Request) -> None:
    if request.checksum is not None:
        raise ConfigError(
            f"{request.where}: a folder, but ingest.checksum is for a single file; remove ingest.checksum"
        )
    num_bytes = remote.fetch_folder(request.path, request.limits)
    shutil.rmtree(request.path, ignore_errors=True)
    _finish(request, num_bytes, None)


def _finish(request: _Request, num_bytes: int, version: str | None) -> None:
    """Moves the partial file to its place; the record comes first, as it has no effect without the file."""
    record = {
        "url": redact_url(request.url),
        "key": make_cache_key(request.url),
        "bytes": num_bytes,
        "version": version,
    }
    write_json(_record_path(request.path), record)
    part_path(request.path).replace(request.path)
    state_path(request.path).unlink(missing_ok=True)


def _record_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.json")


def _refuse_page(part: Path, suffix: str, where: str) -> None:
    with part.open("rb") as file:
        if suffix.lower() not in PAGE_NAMES and is_web_page(file.read(64)):
            raise DataError(
                f"{where}: returns a web page, not a file (perhaps a login or selection page);"
                " give the URL of the file itself, or download it yourself"
            )
