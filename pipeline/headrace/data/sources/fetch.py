"""Fetches sources: returns a local path, after downloading and unpacking if necessary."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from headrace.data.sources.archives.unpack import DamagedArchiveError, unpack
from headrace.data.sources.limits import LIMITS, SourceLimits
from headrace.data.sources.transfer.checksums import check_checksum_format, verify_checksum
from headrace.data.sources.transfer.download import download
from headrace.data.sources.transfer.urls import get_scheme, redact_url
from headrace.errors import DataError

__all__ = ["LIMITS", "SourceLimits", "fetch", "resolve_local_path"]
ABSENT_ERRNOS = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}
LOCAL_SCHEMES = ("file", "local")
GLOB = re.compile(r"[*?[]")


def resolve_local_path(source: str, root: Path) -> Path:
    """Resolves `ingest.source`: relative to the project, unless it is absolute or begins with ~."""
    return root / os.path.expanduser(source)  # noqa: PTH111 - Path.expanduser raises for an unknown ~name


def fetch(
    source: str,
    root: Path,
    cache_dir: Path,
    *,
    checksum: str | None = None,
    limits: SourceLimits = LIMITS,
    into: Path | None = None,
) -> Path:
    """Returns the local path of a source: downloaded if it is a URL, unpacked if it is an archive.

    Args:
        source: A path (relative to `root`, absolute, or below ~), a glob, which is returned unresolved, or a URL of
            http, https, file, or any scheme that fsspec has a client for.
        root: The folder of the project.
        cache_dir: Where downloads and unpacked archives are cached.
        checksum: `sha256:...` or `md5:...` of the file, before it is unpacked.
        limits: The most that may be downloaded or unpacked.
        into: The folder for a downloaded file, for datasets of several files; by default one folder per URL below
            `cache_dir`.

    Raises:
        ConfigError: if the URL or checksum is malformed, or the client is not installed.
        DataError: if the source is missing, cannot be downloaded, is corrupt or unsafe, or exceeds a limit.
    """
    if checksum is not None:
        check_checksum_format(checksum)
    is_copy = get_scheme(source) not in (None, *LOCAL_SCHEMES)
    if is_copy:
        path = download(source, cache_dir, checksum=checksum, limits=limits, into=into)
    else:
        path = _find_local(source, root, checksum)
    where = _where(redact_url(source) if is_copy else source)
    if path.is_file():
        return _unpack(path, cache_dir, limits, where, is_copy=is_copy)
    if _exists(path) and not path.is_dir():
        raise DataError(f"{where}: a device or pipe, not a file or folder; give the path of a file")
    return path


def _find_local(source: str, root: Path, checksum: str | None) -> Path:
    """Returns an existing path with this checksum, or a glob, which its reader will resolve."""
    inside = source.partition("://")[2] if get_scheme(source) else source
    path = resolve_local_path(inside, root)
    if not _exists(path):
        if GLOB.search(inside):
            return path
        raise DataError(f"{_where(source)}: no such file or folder ({path}); give an existing path, or a URL")
    if checksum is not None:
        verify_checksum(path, checksum, _where(source))
    return path


def _unpack(path: Path, cache_dir: Path, limits: SourceLimits, where: str, *, is_copy: bool) -> Path:
    try:
        return unpack(path, cache_dir, limits=limits, where=where)
    except DamagedArchiveError:
        if is_copy:  # so that the next run downloads it again
            path.unlink(missing_ok=True)
        raise


def _where(source: str) -> str:
    return f"params.yaml: ingest.source: {source!r}"


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        if error.errno not in ABSENT_ERRNOS:
            raise
        return False
    except ValueError:  # a null byte in the name
        return False
    return True
