import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from headrace.errors import ConfigError
from tests.data.sources.server import CONTENT, SHA256, list_names


def test_remote_file_resumes_where_it_stopped(
    memory: fsspec.AbstractFileSystem, get: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/bucket/a.bin", CONTENT)
    opened, offsets = type(memory).open, []

    class Dropping:
        def __init__(self, file: object) -> None:
            self._file = file

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

        def seek(self, offset: int) -> None:
            offsets.append(offset)
            self._file.seek(offset)

        def read(self, size: int) -> bytes:
            if self._file.tell() > offsets[-1]:
                raise ConnectionResetError("reset by peer")
            return self._file.read(size)

    monkeypatch.setattr(type(memory), "open", lambda *args, **named: Dropping(opened(*args, **named)))
    assert get("memory://bucket/a.bin", checksum=SHA256).read_bytes() == CONTENT
    assert offsets == [0, 1 << 20, 2 << 20]


def test_remote_folder_is_downloaded_once(memory: fsspec.AbstractFileSystem, get: Callable[..., Path]) -> None:
    files = {f"{kind}/{n}.txt": os.urandom(n) for kind in ("cat", "dog") for n in range(1, 200)}
    for name, content in files.items():
        memory.pipe(f"/bucket/photos/{name}", content)
    folder = get("memory://bucket/photos/")
    assert {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.txt")} == files
    memory.store.clear()
    assert get("memory://bucket/photos/") == folder
    assert list_names(folder.parent) == sorted([".photos.json", *(Path(name).name for name in files)])


def test_remote_folder_downloads_only_missing_files(
    memory: fsspec.AbstractFileSystem, get: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(600):
        memory.pipe(f"/bucket/photos/{n:03}.txt", b"x" * n)
    got, brought = type(memory).get, []

    def dropping(self: object, sources: list[str], targets: list[str]) -> None:
        if brought and len(brought) < 3:
            brought.append("drop")
            raise ConnectionResetError("reset by peer")
        brought.append(len(sources))
        got(self, sources, targets)

    monkeypatch.setattr(type(memory), "get", dropping)
    folder = get("memory://bucket/photos")
    assert sum(path.stat().st_size for path in folder.iterdir()) == sum(range(600))
    assert brought == [256, "drop", "drop", 256, 88]


@pytest.mark.parametrize(
    ("url", "extra"), [("s3://b/a", "s3"), ("gs://b/a", "gs"), ("az://b/a", "az"), ("sftp://u:pw@h/a", "sftp")]
)
def test_missing_client_names_the_extra(get: Callable[..., Path], url: str, extra: str) -> None:
    client = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "sftp": "paramiko"}[extra]
    try:
        __import__(client)
    except ImportError:
        pass
    else:
        pytest.skip(f"{client} is installed")
    with pytest.raises(
        ConfigError, match=rf"^params.yaml: ingest.source: [^\n]*; install headrace\[{extra}\]$"
    ) as caught:
        get(url)
    assert "pw" not in str(caught.value)
