import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.errors import DataError
from tests.data.sources.server import CONTENT, SHA256, Server, list_names


def test_download_resumes_where_the_connection_broke(server: Server, get: Callable[..., Path]) -> None:
    server.drop_after = [1_000_000, 600_000]
    assert get(f"{server.address}/a.bin", checksum=SHA256).read_bytes() == CONTENT
    offsets = [int(wanted[6:-1]) for _, wanted in server.requests if wanted]
    assert len(offsets) == 2
    assert 0 < offsets[0] < offsets[1] < len(CONTENT)


def test_download_resumes_in_the_next_run(server: Server, tmp_path: Path, get: Callable[..., Path]) -> None:
    server.drop_after = [800_000, 0, 0, 0]
    with pytest.raises(DataError, match="resumes where it stopped$") as caught:
        get(f"{server.address}/a.bin")
    assert "\n" not in str(caught.value)
    assert list_names(tmp_path / "cache") == [".a.bin.part", ".a.bin.part.json"]
    part = next((tmp_path / "cache").rglob(".a.bin.part")).stat().st_size
    server.drop_after.clear()
    assert get(f"{server.address}/a.bin").read_bytes() == CONTENT
    assert server.requests[-1][1] == f"bytes={part}-"


def test_download_on_a_full_disk_can_be_resumed(server: Server, get: Callable[..., Path]) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            get(f"{server.address}/a.bin")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert get(f"{server.address}/a.bin", checksum=SHA256).read_bytes() == CONTENT
    assert server.requests[-1][1] is not None
