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
from hypothesis import given
from hypothesis import strategies as st

from headrace.data.sources.archives.safe_extract import MemberNames
from headrace.data.sources.archives.unpack import unpack
from headrace.data.sources.limits import SourceLimits
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


def written(path: Path, content: bytes) -> Path:
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
def test_unpack_gives_every_file_and_leaves_nothing_aside(tmp_path: Path, name: str) -> None:
    folder = unpack(written(tmp_path / name, ARCHIVES[name]), tmp_path / "cache")
    assert content_of(folder) == FILES
    assert [path.name for path in folder.parent.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize("end", PACK)
def test_unpack_of_one_packed_file_gives_the_file_without_the_suffix(tmp_path: Path, end: str) -> None:
    content = b"text,label\nhello,1\n" * 5000
    path = unpack(written(tmp_path / f"train.csv.{end}", PACK[end](content)), tmp_path / "cache")
    assert path.name == "train.csv"
    assert path.read_bytes() == content


def test_unpack_of_packed_zeros_is_no_tar(tmp_path: Path) -> None:
    path = unpack(written(tmp_path / "zeros.bin.gz", gzip.compress(bytes(2048))), tmp_path / "cache")
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
        ("letter.txt", b"BZh is how a bzip2 file begins"),
    ],
)
def test_unpack_leaves_what_is_no_archive_as_it_is(tmp_path: Path, name: str, content: bytes) -> None:
    path = written(tmp_path / name, content)
    assert unpack(path, tmp_path / "cache") == path
    assert not (tmp_path / "cache").exists()


def test_unpack_happens_once_and_again_when_the_archive_changed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", zip_bytes({"a.txt": b"1", "b.txt": b"2"}))
    folder = unpack(path, tmp_path / "cache")
    (folder / "mark").write_text("kept")
    assert (unpack(path, tmp_path / "cache") / "mark").read_text() == "kept"
    written(path, zip_bytes({"a.txt": b"11", "b.txt": b"2"}))
    assert content_of(unpack(path, tmp_path / "cache")) == {"a.txt": b"11", "b.txt": b"2"}


def test_unpack_goes_into_a_folder_that_is_alone_on_top_and_drops_what_macs_add(tmp_path: Path) -> None:
    files = {"set/": b"", "set/cat/1.png": b"1", "set/.DS_Store": b"x", "__MACOSX/set/._1.png": b"x"}
    folder = unpack(written(tmp_path / "a.zip", zip_bytes(files)), tmp_path / "cache")
    assert folder.name == "set"
    assert content_of(folder) == {"cat/1.png": b"1"}


def test_unpack_leaves_archives_inside_packed(tmp_path: Path) -> None:
    inner = zip_bytes({"x": b"1"})
    folder = unpack(written(tmp_path / "a.zip", zip_bytes({"in.zip": inner, "b": b"2"})), tmp_path / "cache")
    assert content_of(folder) == {"in.zip": inner, "b": b"2"}


def test_unpack_reads_the_names_that_old_windows_programs_wrote(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", zip_bytes({"cat\\1.png": b"1", "dog\\2.png": b"2"}))
    assert content_of(unpack(path, tmp_path / "cache")) == {"cat/1.png": b"1", "dog/2.png": b"2"}


def test_unpack_does_not_take_over_access_owner_or_time(tmp_path: Path) -> None:
    member = tarfile.TarInfo("tool")
    member.mode, member.mtime = 0o4777, 1
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(member)
    about = (unpack(tmp_path / "a.tar", tmp_path / "cache") / "tool").stat()
    assert about.st_mode & 0o7111 == 0
    assert about.st_mtime > 1_000_000_000


def test_unpack_counts_real_bytes_whatever_the_header_says(tmp_path: Path) -> None:
    content = bytearray(zip_bytes({"a": bytes(50_000_000)}))
    central = content.rindex(b"PK\x01\x02")
    content[central + 24 : central + 28] = (10).to_bytes(4, "little")
    with pytest.raises(DataError, match="^[^\n]*(damaged or cut off|unpacks to more than)[^\n]*$"):
        unpack(written(tmp_path / "a.zip", bytes(content)), tmp_path / "cache")


def test_unpack_of_a_header_that_claims_terabytes_stays_small(tmp_path: Path) -> None:
    member = tarfile.TarInfo("long")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 2**40
    path = written(tmp_path / "a.tar.gz", gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(100_000_000)))
    with pytest.raises(DataError, match="unpacks to more than 200 times its"):
        unpack(path, tmp_path / "cache")


@pytest.mark.parametrize("name", [name for name in ARCHIVES if name != "two-streams.tar.zst"])
def test_unpack_of_a_truncated_archive_is_always_one_line(tmp_path: Path, name: str) -> None:
    content, cache = ARCHIVES[name], tmp_path / "cache"
    named = {"download": "cut.zip", "5678": "cut.tar.xz"}.get(name, name)  # whose content alone tells too little
    size = len(content.rstrip(b"\0"))  # a plain tar ends with kilobytes of zeros that hold nothing
    for kept in sorted({*range(0, size, max(1, size // 60)), size - 1}):
        path = written(tmp_path / named, content[:kept])
        with pytest.raises(DataError, match="^[^\n]*; get it again[^\n]*$"):
            unpack(path, cache)
    assert list(cache.glob("*/unpacked")) == []
    assert list(cache.glob("*/.unpacked*")) == []


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar", "photos.tar.gz", "photos.tar.zst", "photos.tar.bz2"])
def test_unpack_of_a_damaged_archive_is_one_line_or_whole(tmp_path: Path, name: str) -> None:
    rng, told = Random(0), []
    for turn in range(150):
        content = bytearray(ARCHIVES[name])
        for _ in range(rng.choice((1, 3))):
            content[rng.randrange(len(content.rstrip(b"\0")))] = rng.randrange(256)
        cache = tmp_path / f"cache{turn}"
        try:
            unpack(written(tmp_path / name, bytes(content)), cache)
        except DataError as error:
            told.append(str(error))
            assert list(cache.glob("*/*unpacked*")) == []
    assert len(told) > 30
    assert not [line for line in told if "\n" in line]


def test_unpack_of_a_damaged_header_in_the_middle_is_no_early_end(tmp_path: Path) -> None:
    content = bytearray(tar_bytes(FILES))
    content[content.index(b"cat/2.png") : content.index(b"cat/2.png") + 3] = b"dog"
    with pytest.raises(DataError, match="damaged or cut off"):
        unpack(written(tmp_path / "a.tar", bytes(content)), tmp_path / "cache")


def test_unpack_on_a_full_disk_passes_the_error_and_leaves_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", zip_bytes({"a": os.urandom(300_000), "b": b"1"}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            unpack(path, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert list((tmp_path / "cache").glob("*/*unpacked*")) == []


def test_unpack_stopped_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    path = written(tmp_path / "a.tar.gz", ARCHIVES["photos.tgz"])
    monkeypatch.setattr("headrace.data.sources.archives.safe_extract._write", stop)
    with pytest.raises(KeyboardInterrupt):
        unpack(path, tmp_path / "cache")
    assert list((tmp_path / "cache").glob("*/*unpacked*")) == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (SourceLimits(max_files=3), "holds more than 3 files and folders"),
        (SourceLimits(max_bytes=3000), "unpacks to more than 3,000 bytes"),
    ],
)
@pytest.mark.parametrize("name", ["photos.zip", "photos.tar.xz"])
def test_unpack_past_a_limit_tells_it(tmp_path: Path, limits: SourceLimits, words: str, name: str) -> None:
    with pytest.raises(DataError, match=f"^a set: {words}, the most that is taken; raise ingest"):
        unpack(written(tmp_path / name, ARCHIVES[name]), tmp_path / "cache", limits=limits, where="a set")
    assert list((tmp_path / "cache").glob("*/*unpacked*")) == []


@given(st.lists(st.text(st.sampled_from("ab./\\C:\u00e9\u0301e\0"), max_size=9), max_size=6))
def test_names_never_lead_outside_nor_meet(names: list[str]) -> None:
    checked, kept, told = MemberNames("here"), [], []
    for name in names:
        try:
            kept.append(checked.file(name))
        except DataError as error:
            told.append(str(error))
    assert not [line for line in told if "\n" in line]
    assert len(set(kept)) == len(kept)
    for name in kept:
        assert name is not None
        assert os.path.normpath(f"/top/{name}") == f"/top/{name}"
    assert not [name for name in kept if any(other.startswith(f"{name}/") for other in kept)]
