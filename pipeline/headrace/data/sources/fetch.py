"""Sources as local paths: what is remote is downloaded, what is packed is unpacked."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from headrace.data.sources.archives.unpack import DamagedArchiveError, unpack
from headrace.data.sources.limits import LIMITS, SourceLimits
from headrace.data.sources.transfer.checksums import check_form, verify
from headrace.data.sources.transfer.download import download
from headrace.data.sources.transfer.urls import scheme_of, shown
from headrace.errors import DataError

__all__ = ["LIMITS", "SourceLimits", "fetch", "local_path"]
ABSENT_ERRNOS = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}
LOCAL_SCHEMES = ("file", "local")
GLOB = re.compile(r"[*?[]")


def local_path(source: str, root: Path) -> Path:
    """The absolute path that `ingest.source` means: below the project, unless it is absolute or begins with ~."""
    return root / os.path.expanduser(source)  # noqa: PTH111 - Path.expanduser raises where ~name is no user


def fetch(
    source: str,
    root: Path,
    cache_dir: Path,
    *,
    checksum: str | None = None,
    limits: SourceLimits = LIMITS,
    into: Path | None = None,
) -> Path:
    """The local path of a source: downloaded if it is a URL, unpacked if it is an archive.

    Args:
        source: A path (below `root` unless absolute or below ~), a pattern of paths, which comes back as it is, or a
            URL of http, https, file or whatever fsspec has a client for.
        root: The project's folder.
        cache_dir: Where downloads and unpacked archives stay for the next time.
        checksum: `sha256:...` or `md5:...` of the file, before it is unpacked.
        limits: What is downloaded or unpacked at most.
        into: Where a URL's file lands, for sets of several files; else each URL has a folder below `cache_dir`.

    Raises:
        ConfigError: for a URL or checksum that cannot be one, or whose client is not installed.
        DataError: for a source that is not there, cannot be had, is damaged, dangerous, or passes a limit.
    """
    if checksum is not None:
        check_form(checksum)
    is_copy = scheme_of(source) not in (None, *LOCAL_SCHEMES)
    if is_copy:
        path, where = download(source, cache_dir, checksum=checksum, limits=limits, into=into), _where(shown(source))
    else:
        path, where = _local(source, root, checksum), _where(source)
    if path.is_file():
        return _unpack(path, cache_dir, limits, where, is_copy=is_copy)
    if _is_there(path) and not path.is_dir():
        raise DataError(f"{where}: neither a file nor a folder, but a device or pipe; give the path of a file")
    return path


def _local(source: str, root: Path, checksum: str | None) -> Path:
    """A path that is there and has this checksum; a pattern as it is, for its reader to look through."""
    inside = source.partition("://")[2] if scheme_of(source) else source
    path = local_path(inside, root)
    if not _is_there(path):
        if GLOB.search(inside):
            return path
        raise DataError(f"{_where(source)}: no such file or folder ({path}); give the path of one, or a URL")
    if checksum is not None:
        verify(path, checksum, _where(source))
    return path


def _unpack(path: Path, cache_dir: Path, limits: SourceLimits, where: str, *, is_copy: bool) -> Path:
    try:
        return unpack(path, cache_dir, limits=limits, where=where)
    except DamagedArchiveError:
        if is_copy:  # so that the next run downloads it anew
            path.unlink(missing_ok=True)
        raise


def _where(source: str) -> str:
    return f"params.yaml: ingest.source: {source!r}"


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        if error.errno not in ABSENT_ERRNOS:
            raise
        return False
    except ValueError:  # a zero byte in the name
        return False
    return True
