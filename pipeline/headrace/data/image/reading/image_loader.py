"""One image from wherever a table's cell says: a file, a web server, an object store. Bytes, or why there are none."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headrace import __version__
from headrace.data.sources.transfer.filesystems import EXTRAS, open_client
from headrace.data.sources.transfer.http_client import BUSY, is_page
from headrace.data.sources.transfer.urls import WEB, scheme_of, scrub, shown
from headrace.errors import ConfigError

if TYPE_CHECKING:
    import requests

CHUNK_BYTES = 64 * 1024
MAX_REDIRECTS = 10


class LinkLimits(NamedTuple):
    """How long one image is waited for, and how large it may be."""

    num_threads: int = 16
    """Images that are being loaded at once."""
    attempts: int = 3
    """For a server that does not answer, or answers that it is busy or broken."""
    backoff_s: float = 0.5
    """Before the second attempt; twice as long before each one after."""
    connect_s: float = 10.0
    read_s: float = 20.0
    """Without a single byte."""
    total_s: float = 60.0
    """For the bytes of one attempt."""
    max_bytes: int = 64 * 1024 * 1024


LINK_LIMITS = LinkLimits()


class Loaded(NamedTuple):
    """What became of one cell."""

    data: bytes
    """Empty where there is a problem."""
    problem: str = ""
    is_passing: bool = False
    """Another attempt may go better."""


class Loader:
    """Loads images from any thread; `close` after the last one."""

    def __init__(self, base: Path, limits: LinkLimits) -> None:
        """`base`: the folder that relative paths start from."""
        self.base, self.limits = base, limits
        self._here = threading.local()
        self._sessions: list[requests.Session] = []
        self._is_closing = threading.Event()

    def load(self, cell: str | None) -> Loaded:
        """The bytes that a cell names; raises ConfigError where the package that reads its kind of URL is missing."""
        if not cell:
            return Loaded(b"", "the cell is empty")
        scheme = scheme_of(cell)
        if scheme is None:
            return self._load_file(cell)
        loaded = Loaded(b"", "was not loaded", is_passing=True)
        for attempt in range(self.limits.attempts):
            if attempt and self._is_closing.wait(self.limits.backoff_s * 2 ** (attempt - 1)):
                break
            loaded = self._load_web(cell) if scheme in WEB else self._load_remote(cell, scheme)
            if not loaded.is_passing:
                break
        return loaded

    def stop(self) -> None:
        """Lets what is being loaded end early: nobody wants it any more."""
        self._is_closing.set()

    def close(self) -> None:
        """Closes the connections; no thread may be loading."""
        for session in self._sessions:
            session.close()

    def _load_file(self, cell: str) -> Loaded:
        try:
            path = self.base / cell
            if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would never end
                return Loaded(b"", "is no file")
            with path.open("rb") as file:
                return self._bounded(file.read(self.limits.max_bytes + 1))
        except OSError as error:
            return Loaded(b"", os.strerror(error.errno) if error.errno else "cannot be read")
        except ValueError:  # a zero byte, or half a surrogate
            return Loaded(b"", "is no path")

    def _bounded(self, data: bytes) -> Loaded:
        if len(data) > self.limits.max_bytes:
            return Loaded(b"", f"has more than {self.limits.max_bytes} bytes, the most that is loaded")
        return Loaded(data) if data else Loaded(b"", "is empty")

    def _load_web(self, url: str) -> Loaded:
        import requests
        from urllib3.exceptions import HTTPError

        # words of our own: the library's hold the URL with its user, password and query
        try:
            with self._session().get(url, stream=True, timeout=(self.limits.connect_s, self.limits.read_s)) as response:
                if not response.ok:
                    status = response.status_code
                    return Loaded(b"", f"the server answers {status}", is_passing=status in BUSY)
                return self._load_body(response)
        except requests.TooManyRedirects:
            return Loaded(b"", f"redirects in a circle, or more than {MAX_REDIRECTS} times")
        except requests.Timeout:
            return Loaded(b"", "the server does not answer in time", is_passing=True)
        except (requests.ConnectionError, HTTPError):
            return Loaded(b"", "the connection cannot be made, or breaks", is_passing=True)
        except (requests.RequestException, ValueError):
            return Loaded(b"", "is no URL that can be asked for")

    def _load_body(self, response: requests.Response) -> Loaded:
        deadline, data = time.monotonic() + self.limits.total_s, bytearray()
        read = getattr(response.raw, "read1", response.raw.read)  # what has come, rather than wait for a whole chunk
        while chunk := read(CHUNK_BYTES):
            data += chunk
            if len(data) > self.limits.max_bytes:
                break
            if time.monotonic() > deadline or self._is_closing.is_set():
                return Loaded(b"", "the server does not answer in time", is_passing=True)
        if response.headers.get("Content-Type", "").startswith("text/html") or is_page(bytes(data[:256])):
            return Loaded(b"", "is a web page (HTML), no image")
        return self._bounded(bytes(data))

    def _session(self) -> requests.Session:
        """A session of this thread: it keeps connections open from image to image, but is not to be shared."""
        import requests

        if not hasattr(self._here, "session"):
            session = requests.Session()
            session.max_redirects = MAX_REDIRECTS
            # a packed body could unpack to any size
            session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"headrace/{__version__}"})
            self._here.session = session
            self._sessions.append(session)
        found: requests.Session = self._here.session
        return found

    def _load_remote(self, url: str, scheme: str) -> Loaded:
        try:
            files, path = open_client(url, f"params.yaml: ingest.source: its image {shown(url)!r}")
            with files.open(path, "rb") as file:
                return self._bounded(file.read(self.limits.max_bytes + 1))
        except ConfigError:
            if scheme in EXTRAS:  # its client is not installed
                raise
            return Loaded(b"", "is no URL that is read")
        except FileNotFoundError:
            return Loaded(b"", "no such file")
        except Exception as error:  # noqa: BLE001 - each store's client raises classes of its own
            is_passing = isinstance(error, OSError) and not isinstance(error, PermissionError)
            return Loaded(b"", scrub(str(error), url)[:120] or type(error).__name__, is_passing)
