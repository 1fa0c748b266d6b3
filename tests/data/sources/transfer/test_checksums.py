import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.data.sources.transfer.checksums import has_checksum, verify_checksum
from headrace.errors import ConfigError
from tests.data.sources.server import CONTENT, SHA256, Server


def test_download_with_an_upper_case_md5(server: Server, get: Callable[..., Path]) -> None:
    checksum = "md5:" + hashlib.md5(CONTENT).hexdigest().upper()
    assert get(f"{server.address}/a.bin", checksum=checksum).read_bytes() == CONTENT


def test_has_checksum_compares_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENT)
    assert has_checksum(tmp_path / "a.bin", SHA256)
    assert has_checksum(tmp_path / "a.bin", SHA256.upper().replace("SHA", "sha"))
    assert not has_checksum(tmp_path / "a.bin", "sha256:" + "0" * 64)


def test_verify_checksum_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="^here: a folder, but ingest.checksum is for one file"):
        verify_checksum(tmp_path, SHA256, "here")
