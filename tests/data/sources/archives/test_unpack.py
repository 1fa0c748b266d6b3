import bz2
import errno
import gzip
import io
import lzma
import os
import resource
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import zstandard

from headrace.data.sources.archives.unpack import is_tar_name, read_tar, unpack
from headrace.data.sources.limits import SourceLimits, UnpackBudget
from headrace.errors import DataError

FILES = {"cat/1.png": b"one", "cat/2.png": b"two" * 1000, "dog/\u00e9 1.png": b"", "labels.csv": b"a,b\n1,2\n"}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}


def zip_bytes(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tar_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


ARCHIVES = {
    "photos.zip": zip_bytes(FILES),
    "stored.zip": zip_bytes(FILES, zipfile.ZIP_STORED),
    "photos.tar": tar_bytes(FILES),
    "photos.tgz": gzip.compress(tar_bytes(FILES)),
    **{f"photos.tar.{end}": pack(tar_bytes(FILES)) for end, pack in PACK.items()},
    "download": zip_bytes(FILES),  # by content alone
    "5678": PACK["xz"](tar_bytes(FILES)),
    "really-plain.tar.gz": tar_bytes(FILES),
    "two-streams.tar.zst": PACK["zst"](tar_bytes(FILES)[:1000]) + PACK["zst"](tar_bytes(FILES)[1000:]),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_unpack_extracts_every_file_and_leaves_no_temporary_folder(tmp_path: Path, name: str) -> None:
    folder = unpack(write(tmp_path / name, ARCHIVES[name]), tmp_path / "cache")
    assert content_of(folder) == FILES
    assert [path.name for path in folder.parent.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize("end", PACK)
def test_unpack_of_a_compressed_file_drops_the_extension(tmp_path: Path, end: str) -> None:
    content = b"text,label\nhello,1\n" * 5000
    path = unpack(write(tmp_path / f"train.csv.{end}", PACK[end](content)), tmp_path / "cache")
    assert path.name == "train.csv"
    assert path.read_bytes() == content


def test_unpack_does_not_take_compressed_zeros_for_a_tar(tmp_path: Path) -> None:
    path = unpack(write(tmp_path / "zeros.bin.gz", gzip.compress(bytes(2048))), tmp_path / "cache")
    assert path.read_bytes() == bytes(2048)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.csv", b"a,b\n"),
        ("empty.txt", b""),
        ("zeros.bin", bytes(2048)),
        ("t10k-images-idx3-ubyte.gz", gzip.compress(b"\0\0\x08\x03", mtime=0)),
        ("arrays.npz", zip_bytes({"a.npy": b"1"})),
        ("book.xlsx", zip_bytes({"a.xml": b"1"})),
        ("letter.txt", b"BZh: how a bzip2 file begins"),
    ],
)
def test_unpack_returns_other_files_unchanged(tmp_path: Path, name: str, content: bytes) -> None:
    path = write(tmp_path / name, content)
    assert unpack(path, tmp_path / "cache") == path
    assert not (tmp_path / "cache").exists()


def test_unpack_runs_again_only_if_the_archive_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", zip_bytes({"a.txt": b"1", "b.txt": b"2"}))
    folder = unpack(path, tmp_path / "cache")
    (folder / "mark").write_text("first")
    assert (unpack(path, tmp_path / "cache") / "mark").read_text() == "first"
    write(path, zip_bytes({"a.txt": b"11", "b.txt": b"2"}))
    assert content_of(unpack(path, tmp_path / "cache")) == {"a.txt": b"11", "b.txt": b"2"}


def test_unpack_enters_a_single_top_folder_and_drops_macos_files(tmp_path: Path) -> None:
    files = {"set/": b"", "set/cat/1.png": b"1", "set/.DS_Store": b"x", "__MACOSX/set/._1.png": b"x"}
    folder = unpack(write(tmp_path / "a.zip", zip_bytes(files)), tmp_path / "cache")
    assert folder.name == "set"
    assert content_of(folder) == {"cat/1.png": b"1"}


def test_unpack_does_not_unpack_nested_archives(tmp_path: Path) -> None:
    inner = zip_bytes({"x": b"1"})
    folder = unpack(write(tmp_path / "a.zip", zip_bytes({"in.zip": inner, "b": b"2"})), tmp_path / "cache")
    assert content_of(folder) == {"in.zip": inner, "b": b"2"}


@pytest.mark.parametrize("name", [name for name in ARCHIVES if name != "two-streams.tar.zst"])
def test_unpack_of_a_truncated_archive_raises_one_line(tmp_path: Path, name: str) -> None:
    content, cache = ARCHIVES[name], tmp_path / "cache"
    file_name = {"download": "cut.zip", "5678": "cut.tar.xz"}.get(name, name)  # a short head is not recognized
    size = len(content.rstrip(b"\0"))  # a plain tar ends with kilobytes of zeros
    for num_bytes in sorted({*range(0, size, max(1, size // 60)), size - 1}):
        path = write(tmp_path / file_name, content[:num_bytes])
        with pytest.raises(DataError, match="^[^\n]*; get it again[^\n]*$"):
            unpack(path, cache)
    assert list(cache.glob("*/unpacked")) == []
    assert list(cache.glob("*/.unpacked*")) == []


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar", "photos.tar.gz", "photos.tar.zst", "photos.tar.bz2"])
def test_unpack_of_a_damaged_archive_raises_one_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    rng, messages = Random(0), []
    for turn in range(150):
        content = bytearray(ARCHIVES[name])
        for _ in range(rng.choice((1, 3))):
            content[rng.randrange(len(content.rstrip(b"\0")))] = rng.randrange(256)
        cache = tmp_path / f"cache{turn}"
        try:
            unpack(write(tmp_path / name, bytes(content)), cache)
        except DataError as error:
            messages.append(str(error))
            assert list(cache.glob("*/*unpacked*")) == []
    assert len(messages) > 30
    assert not [message for message in messages if "\n" in message]


def test_unpack_on_a_full_disk_raises_the_os_error_and_leaves_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", zip_bytes({"a": os.urandom(300_000), "b": b"1"}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            unpack(path, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert list((tmp_path / "cache").glob("*/*unpacked*")) == []


def test_unpack_when_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    path = write(tmp_path / "a.tar.gz", ARCHIVES["photos.tgz"])
    monkeypatch.setattr(UnpackBudget, "add_bytes", stop)
    with pytest.raises(KeyboardInterrupt):
        unpack(path, tmp_path / "cache")
    assert list((tmp_path / "cache").glob("*/*unpacked*")) == []


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (SourceLimits(max_files=3), "contains more than 3 files and folders"),
        (SourceLimits(max_bytes=3000), "unpacks to more than 3,000 bytes"),
    ],
)
@pytest.mark.parametrize("name", ["photos.zip", "photos.tar.xz"])
def test_unpack_above_a_limit_is_refused(tmp_path: Path, limits: SourceLimits, message: str, name: str) -> None:
    with pytest.raises(DataError, match=f"^a set: {message}, the most that is allowed; raise ingest"):
        unpack(write(tmp_path / name, ARCHIVES[name]), tmp_path / "cache", limits=limits, where="a set")
    assert list((tmp_path / "cache").glob("*/*unpacked*")) == []


@pytest.mark.parametrize("kind", ["", *PACK])
def test_files_of_a_tar_archive_are_read_in_their_order(tmp_path, kind):
    content = tar_bytes(FILES)
    path = tmp_path / (f"x.tar.{kind}" if kind else "x.tar")
    path.write_bytes(PACK[kind](content) if kind else content)
    assert is_tar_name(path.name)
    assert list(read_tar(path, max_bytes=10_000)) == list(FILES.items())
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    with pytest.raises(DataError, match=r"'cat/2.png' is larger than 100 bytes"):
        list(read_tar(path, max_bytes=100))
    with pytest.raises(DataError, match="contains more than 2 files and folders"):
        list(read_tar(path, max_bytes=10_000, limits=SourceLimits(max_files=2)))
