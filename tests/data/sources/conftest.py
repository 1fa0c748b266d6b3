import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from headrace.data.sources.fetch import fetch
from headrace.data.sources.transfer import resume
from tests.data.sources.server import Handler, Server


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.state = state  # type: ignore[attr-defined]
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        state.address = f"http://127.0.0.1:{http.server_port}"
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "WAITS_S", (0.0, 0.0))


@pytest.fixture
def get(tmp_path: Path) -> Callable[..., Path]:
    return lambda source, **options: fetch(source, tmp_path / "project", tmp_path / "cache", **options)


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]
