"""Loads the image that a cell of a table names: a file, a web address or an object in a store."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from headrace import __version__
from headrace.data.sources.local_files import FileRefusedError, LocalFiles
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.transfer.addresses import PrivateAddressError, check_host, open_session
from headrace.data.sources.transfer.filesystems import EXTRAS, open_filesystem
from headrace.data.sources.transfer.http_client import BUSY, is_web_page
from headrace.data.sources.transfer.urls import WEB, get_scheme, redact_message, redact_url
from headrace.errors import ConfigError

if TYPE_CHECKING:
    import requests

CHUNK_BYTES = 64 * 1024
MAX_REDIRECTS = 10
FILE_SCHEMES = ("file", "local")
STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")
"""Their URLs have the name of a bucket; the host is a setting of the client."""
NETWORK_SCHEMES = ("memory", "ftp", "sftp", "ssh", "smb", "hdfs", "webhdfs", "github")
"""Of fsspec's own file systems: the others read local files, or wrap another URL."""


class LoadLimits(NamedTuple):
    """Limits on the time, size and place of one image."""

    num_threads: int = 16
    """Images loaded at the same time."""
    attempts: int = 3
    """Attempts if a server does not respond, or is busy or failing."""
    backoff_s: float = 0.5
    """Wait before the second attempt; doubles with each further one."""
    connect_s: float = 10.0
    read_s: float = 20.0
    """Longest wait for the next byte."""
    total_s: float = 60.0
    """Longest transfer of one attempt."""
    max_bytes: int = 64 * 1024 * 1024
    root: Path | None = None
    """The folder that files must be in; None: the one that relative paths start from."""
    allow_outside: bool = False
    """Files outside of it."""
    allow_private_addresses: bool = False
    """URLs of this machine and its network."""


LOAD_LIMITS = LoadLimits()


def read_limits(options: ReadOptions, root: Path) -> LoadLimits:
    """The limits that the settings give for the images of a table; `root`: the folder that they must be in."""
    return LOAD_LIMITS._replace(
        root=root,
        allow_outside=options.allow_outside,
        allow_private_addresses=options.allow_private_addresses,
    )


class LoadedImage(NamedTuple):
    """Result of loading one cell."""

    data: bytes
    """Empty if there is a problem."""
    problem: str = ""
    is_transient: bool = False
    """Whether another attempt may succeed."""


class ImageLoader:
    """Loads images, from any thread; call `close` after the last one."""

    def __init__(self, base: Path, limits: LoadLimits) -> None:
        """`base` is the folder that relative paths start from."""
        self.base, self.limits = base, limits
        self._files = LocalFiles(base, limits.root or base, allow_outside=limits.allow_outside)
        self._thread_local = threading.local()
        self._sessions: list[requests.Session] = []
        self._is_closing = threading.Event()

    def load(self, cell: str | None) -> LoadedImage:
        """Loads the bytes that a cell names; raises ConfigError if the package for its kind of URL is missing."""
        if not cell:
            return LoadedImage(b"", "the cell is empty")
        scheme = get_scheme(cell)
        if scheme is None or scheme in FILE_SCHEMES:
            return self._load_file(cell.partition("://")[2] if scheme else cell)
        loaded = LoadedImage(b"", "was not loaded", is_transient=True)
        for attempt in range(self.limits.attempts):
            if attempt and self._is_closing.wait(self.limits.backoff_s * 2 ** (attempt - 1)):
                break
            loaded = self._load_web(cell) if scheme in WEB else self._load_remote(cell, scheme)
            if not loaded.is_transient:
                break
        return loaded

    def stop(self) -> None:
        """Makes running loads end early."""
        self._is_closing.set()

    def close(self) -> None:
        """Closes the connections; no thread may be loading."""
        for session in self._sessions:
            session.close()

    def _load_file(self, path: str) -> LoadedImage:
        try:
            return self._check_size(self._files.read(path, self.limits.max_bytes))
        except FileRefusedError as error:
            return LoadedImage(b"", str(error))
        except OSError as error:
            return LoadedImage(b"", os.strerror(error.errno) if error.errno else "cannot be read")
        except ValueError:  # a zero byte, or half a surrogate
            return LoadedImage(b"", "is not a path")

    def _check_size(self, data: bytes) -> LoadedImage:
        if len(data) > self.limits.max_bytes:
            return LoadedImage(b"", f"has more than {self.limits.max_bytes} bytes, the limit for one image")
        return LoadedImage(data) if data else LoadedImage(b"", "is empty")

    def _load_web(self, url: str) -> LoadedImage:
        import requests
        from urllib3.exceptions import HTTPError

        # own messages: those of the library contain the URL with its user, password and query
        try:
            with self._session().get(url, stream=True, timeout=(self.limits.connect_s, self.limits.read_s)) as response:
                return self._load_response(response)
        except PrivateAddressError as error:
            return LoadedImage(b"", str(error))
        except requests.TooManyRedirects:
            return LoadedImage(b"", f"more than {MAX_REDIRECTS} redirects")
        except requests.Timeout:
            return LoadedImage(b"", "the server did not respond in time", is_transient=True)
        except (requests.ConnectionError, HTTPError):
            return LoadedImage(b"", "the connection failed", is_transient=True)
        except (requests.RequestException, ValueError):
            return LoadedImage(b"", "is not a valid URL")

    def _load_response(self, response: requests.Response) -> LoadedImage:
        if not response.ok:
            status = response.status_code
            return LoadedImage(b"", f"the server responded with {status}", is_transient=status in BUSY)
        deadline, data = time.monotonic() + self.limits.total_s, bytearray()
        read = getattr(response.raw, "read1", response.raw.read)  # read1 does not wait for a full chunk
        while chunk := read(CHUNK_BYTES):
            data += chunk
            if len(data) > self.limits.max_bytes:
                break
            if time.monotonic() > deadline or self._is_closing.is_set():
                return LoadedImage(b"", "the server did not respond in time", is_transient=True)
        if response.headers.get("Content-Type", "").startswith("text/html") or is_web_page(bytes(data[:256])):
            return LoadedImage(b"", "is a web page (HTML), not an image")
        return self._check_size(bytes(data))

    def _session(self) -> requests.Session:
        """Returns the session of this thread: it reuses connections, but must not be shared between threads."""
        if not hasattr(self._thread_local, "session"):
            session = open_session(allow_private=self.limits.allow_private_addresses)
            session.max_redirects = MAX_REDIRECTS
            # a compressed body could expand to any size
            session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"headrace/{__version__}"})
            self._thread_local.session = session
            self._sessions.append(session)
        thread_session: requests.Session = self._thread_local.session
        return thread_session

    def _load_remote(self, url: str, scheme: str) -> LoadedImage:
        if _is_indirect(url, scheme):
            return LoadedImage(b"", "is not a URL that can be read")
        try:
            if scheme not in STORES and not self.limits.allow_private_addresses and (host := urlsplit(url).hostname):
                check_host(host)
            files, path = open_filesystem(url, f"params.yaml: ingest.source: its image {redact_url(url)!r}")
            with files.open(path, "rb") as file:
                return self._check_size(file.read(self.limits.max_bytes + 1))
        except ConfigError:
            if scheme in EXTRAS:  # its client is not installed
                raise
            return LoadedImage(b"", "is not a URL that can be read")
        except PrivateAddressError as error:
            return LoadedImage(b"", str(error))
        except FileNotFoundError:
            return LoadedImage(b"", "no such file")
        except Exception as error:  # noqa: BLE001 - each client raises its own classes
            is_transient = isinstance(error, OSError) and not isinstance(error, PermissionError)
            return LoadedImage(b"", redact_message(str(error), url)[:120] or type(error).__name__, is_transient)


def _is_indirect(url: str, scheme: str) -> bool:
    """Whether a URL would read local files, or another URL, past the checks."""
    from fsspec.registry import known_implementations

    name = known_implementations.get(scheme, {}).get("class", "")
    return "::" in url or (name.startswith("fsspec.implementations.") and scheme not in NETWORK_SCHEMES)
