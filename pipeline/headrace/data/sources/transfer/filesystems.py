"""Files and folders of object stores and other file systems that fsspec knows.

Clients of other file systems, by fsspec: found by the URL's scheme, their errors told as ours.
"""

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
    note_path,
    part_path,
    read_note,
    retrying,
)
from headrace.data.sources.transfer.urls import scheme_of, scrub
from headrace.errors import USER_ERRNOS, ConfigError, DataError, HeadraceError
from headrace.storage.atomic import write_json
from headrace.terminal import progress_bar

VERSION_KEYS = (
    "ETag", "etag", "md5Hash", "content_md5", "generation", "LastModified", "last_modified", "mtime", "updated",
    "created",
)  # fmt: skip
CHUNK = 1 << 20
FILES_PER_BATCH = 256
Info = dict[str, Any]


class Remote:
    """A place that a URL names."""

    def __init__(self, url: str, where: str) -> None:
        self._url, self.where = url, where
        self._files, self._path = open_client(url, where)

    def is_folder(self) -> bool:
        """Whether the URL names a folder; raises DataError when there is nothing."""
        return retrying(lambda: str(self._info()["type"]) == "directory", lambda: 0, self.where)

    @contextmanager
    def open(self, known: PartialDownload) -> Iterator[RemoteContent]:
        """Opens the file behind the known bytes, or at its start when it is another one by now."""
        with translate_fsspec_errors(self._url, self.where):
            info = self._info()
            version, total = _version(info), info.get("size")
            start = known.num_bytes if version and (version, total) == (known.version, known.total) else 0
            file = self._files.open(self._path, "rb")
        try:
            yield RemoteContent(version, start, total, self._chunks(file, start))
        finally:
            file.close()

    def fetch_folder(self, folder: Path, limits: SourceLimits) -> int:
        """Brings every file below the URL to the part of `folder`; returns their bytes.

        A second call after an interruption brings what is missing, unless the folder has changed since.
        """
        listing = retrying(lambda: self._listing(limits), lambda: 0, self.where)
        part = part_path(folder)
        content = json.dumps([(name, info.get("size"), _version(info)) for name, info in sorted(listing.items())])
        version = sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        if read_note(note_path(folder)).get("version") != version:
            shutil.rmtree(part, ignore_errors=True)
            write_json(note_path(folder), {"version": version})
        part.mkdir(exist_ok=True)
        total = sum(int(info.get("size") or 0) for info in listing.values())
        with progress_bar(folder.name, total, "bytes") as show:
            sizes: dict[str, int] = {}

            def done() -> int:
                return sum(sizes.values())

            retrying(lambda: self._fetch_missing(listing, part, sizes, lambda: show(done())), done, self.where)
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
                self._files.get([listing[name]["name"] for name in batch], [str(part / name) for name in batch])
            for name in batch:
                size, wanted = (part / name).stat().st_size, listing[name].get("size")
                if wanted is not None and size != wanted:
                    raise TransientDownloadError(f"got {size:,} of {wanted:,} bytes of {name!r}")
                sizes[name] = size
            show()

    def _info(self) -> Info:
        with translate_fsspec_errors(self._url, self.where):
            info: Info = self._files.info(self._path)
        return info

    def _listing(self, limits: SourceLimits) -> dict[str, Info]:
        """Relative name -> what the store tells of the file."""
        with translate_fsspec_errors(self._url, self.where):
            found: dict[str, Info] = self._files.find(self._path, detail=True)
        names, budget = MemberNames(self.where), UnpackBudget(limits, limits.max_bytes, self.where)
        listing = {}
        for path, info in found.items():
            if path.endswith("/"):  # an empty object that stands for a folder
                continue
            budget.add_entry()
            budget.add_bytes(int(info.get("size") or 0))
            name = names.check(path[len(self._path) :].lstrip("/"))
            if name is not None:
                listing[name] = info | {"name": path}
        if not listing:
            raise DataError(f"{self.where}: holds no file; give the address of a file, or of a folder with files")
        return listing

    def _chunks(self, file: Any, start: int) -> Iterator[bytes]:
        with translate_fsspec_errors(self._url, self.where):
            file.seek(start)
        while True:
            with translate_fsspec_errors(self._url, self.where):
                chunk: bytes = file.read(CHUNK)
            if not chunk:
                return
            yield chunk


def _version(info: Info) -> str | None:
    found = next((info[key] for key in VERSION_KEYS if info.get(key) is not None), None)
    return None if found is None else str(found)


EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az",
    "sftp": "sftp", "ssh": "sftp",
}  # fmt: skip
"""URL scheme -> the extra of this package that brings its client."""


def open_client(url: str, where: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it; ConfigError when its client is not installed."""
    from fsspec.core import url_to_fs

    scheme = str(scheme_of(url))
    try:
        files, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        reason = scrub(str(error), url)
        if scheme in EXTRAS and (isinstance(error, ImportError) or "not known" in reason):
            reason = f"reading {scheme}:// takes a client that is not installed; install headrace[{EXTRAS[scheme]}]"
        elif isinstance(error, ImportError):
            reason = f"reading {scheme}:// takes a client that is not installed ({reason}); install it"
        else:
            reason = f"not a URL that is read ({reason}); choose one of {['http', 'https', 'file', *EXTRAS]}"
        raise ConfigError(f"{where}: {reason}") from None
    except Exception as error:  # noqa: BLE001 - each client raises classes of its own
        raise DataError(f"{where}: {_trouble(error, url)}; look at the address and your access") from None
    return files, path.rstrip("/") or path


@contextmanager
def translate_fsspec_errors(url: str, where: str) -> Iterator[None]:
    """Turns what a client raises into DataError, or DroppedError where another try may help.

    Troubles of this machine's disk pass as they are.
    """
    try:
        yield
    except (HeadraceError, TransientDownloadError):
        raise
    except FileNotFoundError:
        raise DataError(f"{where}: no such file or folder there; mend the address") from None
    except PermissionError as error:
        raise DataError(f"{where}: {_trouble(error, url)}; it needs access; give your credentials") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in USER_ERRNOS:
            raise
        raise TransientDownloadError(_trouble(error, url)) from None


def _trouble(error: Exception, url: str) -> str:
    return f"cannot be read ({type(error).__name__}: {scrub(str(error), url)})"
