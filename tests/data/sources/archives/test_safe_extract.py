import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.data.sources.archives.safe_extract import MemberNames, SafeExtractor
from headrace.data.sources.limits import SourceLimits, UnpackBudget
from headrace.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return folder


def extractor(folder: Path, packed_bytes: int = 10_000, limits: SourceLimits | None = None) -> SafeExtractor:
    return SafeExtractor(folder, UnpackBudget(limits or SourceLimits(), packed_bytes, "a set"), "a set")


def tar_bytes(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return buffer.getvalue()


def test_extract_zip_reads_backslashes_as_separators(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat\\1.png", b"1")
        archive.writestr("dog\\2.png", b"2")
    extractor(folder).extract_zip(tmp_path / "a.zip")
    assert (folder / "cat" / "1.png").read_bytes() == b"1"
    assert (folder / "dog" / "2.png").read_bytes() == b"2"


def test_extract_zip_reads_no_more_bytes_than_the_header_states(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(50_000_000))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    central = content.rindex(b"PK\x01\x02")
    content[central + 24 : central + 28] = (10).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(zipfile.BadZipFile, match="Bad CRC-32"):
        extractor(folder).extract_zip(tmp_path / "a.zip")
    assert (folder / "a").stat().st_size <= 10


def test_extract_tar_ignores_modes_and_times(folder: Path) -> None:
    tool, sub = tarfile.TarInfo("tool"), tarfile.TarInfo("sub")
    tool.mode, tool.mtime = 0o4777, 1
    sub.type, sub.mode = tarfile.DIRTYPE, 0o1000
    extractor(folder).extract_tar(io.BytesIO(tar_bytes(tool, sub)))
    stat = (folder / "tool").stat()
    assert stat.st_mode & 0o7111 == 0
    assert stat.st_mtime > 1_000_000_000
    assert (folder / "sub").stat().st_mode & 0o1700 == 0o700


def test_extract_tar_raises_for_an_invalid_header_in_the_middle(folder: Path) -> None:
    content = tar_bytes(tarfile.TarInfo("first"), tarfile.TarInfo("second"), tarfile.TarInfo("third"))
    with pytest.raises(tarfile.ReadError):
        extractor(folder).extract_tar(io.BytesIO(content.replace(b"second", b"sec0nd")))


def test_extract_tar_raises_for_a_negative_size(folder: Path) -> None:
    member = tarfile.TarInfo("a")
    member.pax_headers = {"size": "-512"}
    with pytest.raises(tarfile.ReadError, match="negative size"):
        extractor(folder).extract_tar(io.BytesIO(tar_bytes(member, tarfile.TarInfo("b"))))


def test_extract_tar_reads_a_header_that_claims_terabytes_only_up_to_the_limit(folder: Path) -> None:
    member = tarfile.TarInfo("long")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 2**40
    packed = gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(100_000_000))
    with gzip.open(io.BytesIO(packed)) as file, pytest.raises(DataError, match="unpacks to more than 200 times its"):
        extractor(folder, len(packed)).extract_tar(file)


def test_extract_file_counts_bytes(folder: Path) -> None:
    extractor(folder, limits=SourceLimits(max_bytes=100)).extract_file(io.BytesIO(bytes(100)), "a.csv")
    assert (folder / "a.csv").stat().st_size == 100
    with pytest.raises(DataError, match="^a set: unpacks to more than 99 bytes"):
        extractor(folder, limits=SourceLimits(max_bytes=99)).extract_file(io.BytesIO(bytes(100)), "b.csv")


@given(st.lists(st.text(st.sampled_from("ab./\\C:\u00e9\u0301e\0"), max_size=9), max_size=6))
def test_member_names_stay_inside_and_never_collide(names: list[str]) -> None:
    checker, accepted, messages = MemberNames("here"), [], []
    for name in names:
        try:
            accepted.append(checker.check(name))
        except DataError as error:
            messages.append(str(error))
    assert not [message for message in messages if "\n" in message]
    assert len(set(accepted)) == len(accepted)
    for name in accepted:
        assert name is not None
        assert os.path.normpath(f"/top/{name}") == f"/top/{name}"
    assert not [name for name in accepted if any(other.startswith(f"{name}/") for other in accepted)]


def test_member_names_skip_macos_files_and_accept_a_folder_twice() -> None:
    names = MemberNames("here")
    assert names.check("set/", is_folder=True) == names.check("./set", is_folder=True) == "set"
    assert names.check("set/a.png") == "set/a.png"
    assert [names.check(name) for name in ("set/.DS_Store", "__MACOSX/set/._a.png")] == [None, None]
    assert names.check("./", is_folder=True) is None
