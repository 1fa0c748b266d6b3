import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.data.sources.fetch import resolve_local_path
from headrace.errors import DataError
from tests.data.sources.server import CONTENT, SHA256, Server


def test_resolve_local_path_below_the_project_or_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert resolve_local_path("photos/a", tmp_path) == tmp_path / "photos" / "a"
    assert resolve_local_path("/data", tmp_path) == Path("/data")
    assert resolve_local_path("~/data", tmp_path) == Path("/home/me/data")


def test_fetch_of_local_paths_returns_them(tmp_path: Path, get: Callable[..., Path]) -> None:
    folder = tmp_path / "project" / "photos [1]"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(CONTENT)
    assert get("photos [1]") == folder
    assert get("photos [1]/a.csv", checksum=SHA256) == folder / "a.csv"
    assert get(f"file://{folder}/a.csv") == folder / "a.csv"
    assert get("photos/*.csv") == tmp_path / "project" / "photos" / "*.csv"
    assert not (tmp_path / "cache").exists()


def test_fetch_unpacks_a_remote_archive(server: Server, tmp_path: Path, get: Callable[..., Path]) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/1.txt", "1")
        archive.writestr("dog/1.txt", "2")
    server.content = (tmp_path / "a.zip").read_bytes()
    folder = get(f"{server.address}/download?id=7")
    assert sorted(path.name for path in folder.iterdir()) == ["cat", "dog"]
    server.statuses = [404] * 9
    assert get(f"{server.address}/download?id=7") == folder


def test_fetch_downloads_a_damaged_archive_again(server: Server, tmp_path: Path, get: Callable[..., Path]) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/1.txt", "1")
    whole = (tmp_path / "a.zip").read_bytes()
    server.content = whole[:-9]
    with pytest.raises(DataError, match="damaged or truncated"):
        get(f"{server.address}/a.zip")
    server.content = whole
    assert get(f"{server.address}/a.zip").is_dir()
