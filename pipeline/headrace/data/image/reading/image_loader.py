"""Loads the image that a cell of a table names: a file, a web address or an object in a store."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headrace import __version__
from headrace.data.sources.transfer.filesystems import EXTRAS, open_filesystem
from headrace.data.sources.transfer.http_client import BUSY, is_web_page
from headrace.data.sources.transfer.urls import WEB, get_scheme, redact_message, redact_url
from headrace.errors import ConfigError

if TYPE_CHECKING:
    import requests

CHUNK_BYTES = 64 * 1024
MAX_REDIRECTS = 10


class LoadLimits(NamedTuple):
    """Limits on the time and size of one image."""

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


LOAD_LIMITS = LoadLimits()


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
        self.base, self.limits, self._base_name = base, limits, str(base)
        self._thread_local = threading.local()
        self._sessions: list[requests.Session] = []
        self._is_closing = threading.Event()

    def load(self, cell: str | None) -> LoadedImage:
        """Loads the bytes that a cell names; raises ConfigError if the package for its kind of URL is missing."""
        if not cell:
            return LoadedImage(b"", "the cell is empty")
        scheme = get_scheme(cell)
        if scheme is None:
            return self._load_file(cell)
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

    def _load_file(self, cell: str) -> LoadedImage:
        path = os.path.join(self._base_name, cell)  # noqa: PTH118 - Path takes as long as the reading
        try:
            about = os.stat(path)  # noqa: PTH116
            if not stat.S_ISREG(about.st_mode):  # reading a pipe would never end
                return LoadedImage(b"", "is not a file")
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123
                return self._check_size(file.read(min(about.st_size, self.limits.max_bytes) + 1))
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
                if not response.ok:
                    status = response.status_code
                    return LoadedImage(b"", f"the server responded with {status}", is_transient=status in BUSY)
                return self._load_body(response)
        except requests.TooManyRedirects:
            return LoadedImage(b"", f"more than {MAX_REDIRECTS} redirects")
        except requests.Timeout:
            return LoadedImage(b"", "the server did not respond in time", is_transient=True)
        except (requests.ConnectionError, HTTPError):
            return LoadedImage(b"", "the connection failed", is_transient=True)
        except (requests.RequestException, ValueError):
            return LoadedImage(b"", "is not a valid URL")

    def _load_body(self, response: requests.Response) -> LoadedImage:
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
        import requests

        if not hasattr(self._thread_local, "session"):
            session = requests.Session()
            session.max_redirects = MAX_REDIRECTS
            # a compressed body could expand to any size
            session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"headrace/{__version__}"})
            self._thread_local.session = session
            self._sessions.append(session)
        thread_session: requests.Session = self._thread_local.session
        return thread_session

    def _load_remote(self, url: str, scheme: str) -> LoadedImage:
        try:
            files, path = open_filesystem(url, f"params.yaml: ingest.source: its image {redact_url(url)!r}")
            with files.open(path, "rb") as file:
                return self._check_size(file.read(self.limits.max_bytes + 1))
        except ConfigError:
            if scheme in EXTRAS:  # its client is not installed
                raise
            return LoadedImage(b"", "is not a URL that can be read")
        except FileNotFoundError:
            return LoadedImage(b"", "no such file")
        except Exception as error:  # noqa: BLE001 - each client raises its own classes
            is_transient = isinstance(error, OSError) and not isinstance(error, PermissionError)
            return LoadedImage(b"", redact_message(str(error), url)[:120] or type(error).__name__, is_transient)
