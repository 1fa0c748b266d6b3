import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.data.sources.limits import SourceLimits
from headrace.data.sources.transfer.urls import make_cache_key
from headrace.errors import DataError
from tests.data.sources.server import CONTENT, SHA256, Server, list_names


def test_download_is_cached(server: Server, tmp_path: Path, get: Callable[..., Path]) -> None:
    url = f"{server.address}/sets/train%20set.csv?token=1"
    path = get(url, checksum=SHA256)
    assert path == tmp_path / "cache" / make_cache_key(url) / "train set.csv"
    assert path.read_bytes() == CONTENT
    assert list_names(path.parent) == [".train set.csv.json", "train set.csv"]
    server.address = "gone"
    assert get(url, checksum=SHA256) == get(url) == path
    assert len(server.requests) == 1


def test_download_replaces_a_copy_of_another_length(server: Server, get: Callable[..., Path]) -> None:
    path = get(f"{server.address}/a.csv")
    path.write_bytes(b"changed")
    assert get(f"{server.address}/a.csv").read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_download_of_several_files_into_one_folder(server: Server, tmp_path: Path, get: Callable[..., Path]) -> None:
    folder, server.content = tmp_path / "set", gzip.compress(CONTENT)
    for name in ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz"):
        for _ in range(2):
            assert get(f"{server.address}/{name}", into=folder) == folder / name
    assert len(server.requests) == 2
    get(f"{server.address}/other/labels-idx1-ubyte.gz", into=folder)  # another URL of the same name
    assert len(server.requests) == 3


def test_download_with_another_checksum_is_removed(server: Server, tmp_path: Path, get: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=f"its checksum is {SHA256}, but ingest.checksum is sha256:0000"):
        get(f"{server.address}/a.bin", checksum="sha256:" + "0" * 64)
    assert [name for name in list_names(tmp_path / "cache") if not name.endswith(".part.json")] == []


def test_download_stops_at_the_limit(server: Server, get: Callable[..., Path]) -> None:
    for server.has_length in (True, False):
        with pytest.raises(DataError, match="has more than 1,000,000 bytes, the most that is allowed"):
            get(f"{server.address}/a.bin", limits=SourceLimits(max_bytes=1_000_000))
