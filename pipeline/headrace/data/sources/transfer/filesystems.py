"""Files and folders in object stores and other file systems, through fsspec."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from headrace.data.sources.archives.safe_extract import MemberNames
from headrace.data.sources.limits import SourceLimits, UnpackBudget
from headrace.data.sources.transfer.resume import (
    PartialDownload,
    RemoteContent,
    TransientDownloadError,
    part_path,
    read_state,
    retry,
    state_path,
)
from headrace.data.sources.transfer.urls import get_scheme, redact_message
from headrace.errors import USER_ERRNOS, ConfigError, DataError, HeadraceError
from headrace.storage.atomic import write_json
from headrace.terminal import progress_bar

VERSION_KEYS = (
    "ETag", "etag", "md5Hash", "content_md5", "generation", "LastModified", "last_modified", "mtime", "updated",
    "created",
)  # fmt: skip
EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az",
    "sftp": "sftp", "ssh": "sftp",
}  # fmt: skip
"""URL scheme -> the extra of this package that installs its client."""
CHUNK = 1 << 20
FILES_PER_BATCH = 256
Info = dict[str, Any]


class RemotePath:
    """A remote file or folder."""

    def __init__(self, url: str, where: str) -> None:
        self._url, self.where = url, where
        self._filesystem, self._path = open_filesystem(url, where)

    def is_folder(self) -> bool:
        """Whether the URL names a folder; raises DataError if it does not exist."""
        return retry(lambda: str(self._info()["type"]) == "directory", lambda: 0, self.where)

    @contextmanager
    def open(self, partial: PartialDownload) -> Iterator[RemoteContent]:
        """Opens the file after the bytes already downloaded, or at its start if it has changed since."""
        with translate_fsspec_errors(self._url, self.where):
            info = self._info()
            version, total = _version(info), info.get("size")
            start = partial.num_bytes if version and (version, total) == (partial.version, partial.total) else 0
            file = self._filesystem.open(self._path, "rb")
        try:
            yield RemoteContent(version, start, total, self._read_chunks(file, start))
        finally:
            file.close()

    def fetch_folder(self, folder: Path, limits: SourceLimits) -> int:
        """Downloads every file below the URL to the partial copy of `folder`; returns the number of bytes.

        After an interruption, downloads only what is missing, unless the remote folder has changed.
        """
        listing = retry(lambda: self._list_files(limits), lambda: 0, self.where)
        part = part_path(folder)
        content = json.dumps([(name, info.get("size"), _version(info)) for name, info in sorted(listing.items())])
        version = sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        if read_state(state_path(folder)).get("version") != version:
            shutil.rmtree(part, ignore_errors=True)
            write_json(state_path(folder), {"version": version})
        part.mkdir(exist_ok=True)
        total = sum(int(info.get("size") or 0) for info in listing.values())
        with progress_bar(folder.name, total, "bytes") as show:
            sizes: dict[str, int] = {}

            def done() -> int:
                return sum(sizes.values())

            retry(lambda: self._fetch_missing(listing, part, sizes, lambda: show(done())), done, self.where)
        return done()

    def _fetch_missing(self, listing: dict[str, Info], part: Path, sizes: dict[str, int], show: Any) -> None:
        missing = []
        for name, info in listing.items():
            path = part / name
            if path.is_file() and path.stat().st_size == info.get("size"):
                sizes[name] = path.stat().st_size
            else:
                missing.append(name)
        for first in range(0, len(missing), FILES_PER_BATCH):
            batch = missing[first : first + FILES_PER_BATCH]
            with translate_fsspec_errors(self._url, self.where):
                self._filesystem.get([listing[name]["name"] for name in batch], [str(part / name) for name in batch])
            for name in batch:
                size, expected = (part / name).stat().st_size, listing[name].get("size")
                if expected is not None and size != expected:
                    raise TransientDownloadError(f"got {size:,} of {expected:,} bytes of {name!r}")
                sizes[name] = size
            show()

    def _info(self) -> Info:
        with translate_fsspec_errors(self._url, self.where):
            info: Info = self._filesystem.info(self._path)
        return info

    def _list_files(self, limits: SourceLimits) -> dict[str, Info]:
        """Returns the relative name of each file -> its metadata."""
        with translate_fsspec_errors(self._url, self.where):
            infos: dict[str, Info] = self._filesystem.find(self._path, detail=True)
        names, budget = MemberNames(self.where), UnpackBudget(limits, limits.max_bytes, self.where)
        listing = {}
        for path, info in infos.items():
            if path.endswith("/"):  # an empty object that represents a folder
                continue
            budget.add_entry()
            budget.add_bytes(int(info.get("size") or 0))
            name = names.check(path[len(self._path) :].lstrip("/"))
            if name is not None:
                listing[name] = info | {"name": path}
        if not listing:
            raise DataError(f"{self.where}: contains no files; give the URL of a file, or of a folder with files")
        return listing

    def _read_chunks(self, file: Any, start: int) -> Iterator[bytes]:
        with translate_fsspec_errors(self._url, self.where):
            file.seek(start)
        while True:
            with translate_fsspec_errors(self._url, self.where):
                chunk: bytes = file.read(CHUNK)
            if not chunk:
                return
            yield chunk


def open_filesystem(url: str, where: str) -> tuple[Any, str]:
    """Returns the fsspec file system of a URL and the path in it; raises ConfigError if its client is missing."""
    from fsspec.core import url_to_fs

    scheme = str(get_scheme(url))
    try:
        filesystem, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        reason = redact_message(str(error), url)
        if scheme in EXTRAS and (isinstance(error, ImportError) or "not known" in reason):
            reason = f"reading {scheme}:// requires a client that is not installed; install headrace[{EXTRAS[scheme]}]"
        elif isinstance(error, ImportError):
            reason = f"reading {scheme}:// requires a client that is not installed ({reason}); install it"
        else:
            reason = f"not a supported URL ({reason}); choose one of {['http', 'https', 'file', *EXTRAS]}"
        raise ConfigError(f"{where}: {reason}") from None
    except Exception as error:  # noqa: BLE001 - each client raises classes of its own
        raise DataError(f"{where}: {_describe(error, url)}; check the URL and your access rights") from None
    return filesystem, path.rstrip("/") or path


@contextmanager
def translate_fsspec_errors(url: str, where: str) -> Iterator[None]:
    """Turns the errors of a client into DataError, or into TransientDownloadError if a retry may help.

    Errors of the local disk pass unchanged.
    """
    try:
        yield
    except (HeadraceError, TransientDownloadError):
        raise
    except FileNotFoundError:
        raise DataError(f"{where}: no such file or folder there; correct the URL") from None
    except PermissionError as error:
        raise DataError(f"{where}: {_describe(error, url)}; access is denied; give your credentials") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in USER_ERRNOS:
            raise
        raise TransientDownloadError(_describe(error, url)) from None


def _version(info: Info) -> str | None:
    version = next((info[key] for key in VERSION_KEYS if info.get(key) is not None), None)
    return None if version is None else str(version)


def _describe(error: Exception, url: str) -> str:
    return f"cannot be read ({type(error).__name__}: {redact_message(str(error), url)})"
