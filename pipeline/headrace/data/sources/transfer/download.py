"""Downloads into the cache: whole, verified, and asked for once."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import NamedTuple

from headrace.data.sources.limits import LIMITS, SourceLimits
from headrace.data.sources.transfer.checksums import matches, verify
from headrace.data.sources.transfer.filesystems import Remote
from headrace.data.sources.transfer.http_client import is_page, open_web
from headrace.data.sources.transfer.resume import Opener, note_path, part_path, read_note, receive
from headrace.data.sources.transfer.urls import WEB, cache_key, check_url, file_name, scheme_of, shown
from headrace.errors import ConfigError, DataError
from headrace.storage.atomic import write_json
from headrace.storage.lock import exclusive

PAGE_NAMES = (".html", ".htm", ".xhtml")


def download(
    url: str, cache_dir: Path, *, checksum: str | None = None, limits: SourceLimits = LIMITS, into: Path | None = None
) -> Path:
    """The local copy of a URL's file or folder: `cache_dir/<key of the URL>/<its name>`, or `into/<its name>`.

    A copy that is whole is used again without asking the network, also when the URL holds something newer by now:
    remove it to have that. A download that broke off goes on where it stopped. Raises ConfigError for a URL that
    cannot be read here, DataError for one that does not give the file; neither shows the URL's secrets.
    """
    check_url(url)
    path = (into or cache_dir / cache_key(url)) / file_name(url)
    wanted = _Wanted(url, path, checksum, limits, f"params.yaml: ingest.source: {shown(url)!r}")
    if _is_kept(wanted):
        return path
    with exclusive(path.with_name(".lock"), f"the download of {shown(url)}"):
        if scheme_of(url) in WEB:
            _fetch_file(partial(open_web, url, wanted.where), wanted)
        else:
            remote = Remote(url, wanted.where)
            if remote.is_folder():
                _fetch_folder(remote, wanted)
            else:
                _fetch_file(remote.open, wanted)
    return path


class _Wanted(NamedTuple):
    url: str
    path: Path
    checksum: str | None
    limits: SourceLimits
    where: str


def _is_kept(wanted: _Wanted) -> bool:
    path, record = wanted.path, read_note(_record_path(wanted.path))
    if record.get("key") != cache_key(wanted.url):
        return False
    if path.is_dir():
        return wanted.checksum is None
    if not path.is_file() or record.get("bytes") != path.stat().st_size:
        return False
    return wanted.checksum is None or matches(path, wanted.checksum)


def _fetch_file(open_at: Opener, wanted: _Wanted) -> None:
    version = receive(open_at, wanted.path, max_bytes=wanted.limits.max_bytes, where=wanted.where)
    part = part_path(wanted.path)
    try:
        _refuse_page(part, wanted.path.suffix, wanted.where)
        if wanted.checksum is not None:
            verify(part, wanted.checksum, wanted.where)
    except DataError:
        part.unlink()  # whole, but not what is wanted: nothing to go on from
        raise
    _finish(wanted, part.stat().st_size, version)


def _fetch_folder(remote: Remote, wanted: _Wanted) -> None:
    if wanted.checksum is not None:
        raise ConfigError(f"{wanted.where}: a folder, and ingest.checksum is of one file; remove ingest.checksum")
    num_bytes = remote.fetch_folder(wanted.path, wanted.limits)
    shutil.rmtree(wanted.path, ignore_errors=True)
    _finish(wanted, num_bytes, None)


def _finish(wanted: _Wanted, num_bytes: int, version: str | None) -> None:
    """Puts the part in its place; the record comes first, since it says nothing without the file."""
    record = {"url": shown(wanted.url), "key": cache_key(wanted.url), "bytes": num_bytes, "version": version}
    write_json(_record_path(wanted.path), record)
    part_path(wanted.path).replace(wanted.path)
    note_path(wanted.path).unlink(missing_ok=True)


def _record_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.json")


def _refuse_page(part: Path, suffix: str, where: str) -> None:
    with part.open("rb") as file:
        if suffix.lower() not in PAGE_NAMES and is_page(file.read(64)):
            raise DataError(
                f"{where}: gives a web page, not a file (a page to log in or to choose on, perhaps);"
                " give the address of the file itself, or fetch it yourself"
            )
