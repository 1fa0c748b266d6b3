import bz2
import errno
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from headrace.data.sources.archives.compression import (
    COMPRESSIONS,
    detect_compression,
    open_decompressed,
    translate_decompression_errors,
)
from headrace.errors import DataError

CONTENT = "".join(map(str, range(50_000))).encode()
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


def write(folder: Path, extension: str, content: bytes) -> Path:
    (folder / f"a{extension}").write_bytes(content)
    return folder / f"a{extension}"


def read(path: Path) -> bytes:
    compression = COMPRESSIONS[path.suffix]
    with translate_decompression_errors(path), open_decompressed(path, compression) as file:
        return file.read()


@pytest.mark.parametrize("extension", COMPRESSIONS)
def test_detect_compression_by_the_first_bytes(extension: str) -> None:
    for content in (CONTENT, b""):
        assert detect_compression(COMPRESS[extension](content)) == COMPRESSIONS[extension]


@pytest.mark.parametrize("head", [b"", b"BZh", b"BZh: how a bzip2 file begins", b"a,b\n1,2\n"])
def test_detect_compression_of_other_content(head: bytes) -> None:
    assert detect_compression(head) is None


@pytest.mark.parametrize("extension", COMPRESSIONS)
def test_open_decompressed_reads_every_member(tmp_path: Path, extension: str) -> None:
    compress = COMPRESS[extension]
    assert read(write(tmp_path, extension, compress(CONTENT) + compress(b"end"))) == CONTENT + b"end"


def test_open_decompressed_without_compression_reads_the_file_itself(tmp_path: Path) -> None:
    with open_decompressed(write(tmp_path, ".csv", CONTENT), None) as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize("extension", COMPRESSIONS)
@pytest.mark.parametrize("damage", ["truncated", "overwritten", "other content"])
def test_damaged_file_raises_one_line(tmp_path: Path, extension: str, damage: str) -> None:
    content = bytearray(COMPRESS[extension](CONTENT))
    if damage == "truncated":
        del content[-2:]
    elif damage == "overwritten":
        content[len(content) // 2 :][:20] = content[len(content) // 2 : len(content) // 2 + 20] = b"\x01" * 20
    else:
        content[:] = b"a,b\n" * 9
    with pytest.raises(DataError, match=f"^[^\n]*a{extension}: damaged {extension[1:]} \\([^\n]+; download it again$"):
        read(write(tmp_path, extension, bytes(content)))


def test_missing_file_raises_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.gz: cannot be read \(No such file or directory\); fix or remove it$"):
        read(tmp_path / "a.gz")


def test_full_disk_is_not_taken_for_damage(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), translate_decompression_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
