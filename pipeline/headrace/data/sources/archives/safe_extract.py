"""Members of tar and zip archives, written below a folder; whatever could reach beyond it is refused.

Names that strangers gave their files: kept below one folder, each told apart from every other.
"""

from __future__ import annotations

import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NoReturn, Self, cast
from unicodedata import normalize

from headrace.data.sources.archives.compression import CHUNK, CountedStream
from headrace.data.sources.limits import UnpackBudget
from headrace.errors import DataError

ENCRYPTED = 0x1
UNIX = 3
END = "EOFHeaderError"
"""What tarfile raises at the zeros that end an archive (a class that its type stubs leave out)."""


class Target:
    """The folder that members are written to."""

    def __init__(self, folder: Path, budget: UnpackBudget, where: str) -> None:
        self._folder, self._budget, self.where = f"{folder}{os.sep}", budget, where
        self._names = MemberNames(where)
        self._made: set[str] = {""}
        self.num_files = 0

    def add_folder(self, name: str) -> None:
        """Makes a folder."""
        self._budget.enter()
        clean = self._names.folder(name)
        if clean:
            self._make(clean)

    def add_file(self, name: str, chunks: Iterable[bytes]) -> None:
        """Writes a file, with the access that new files have: what the archive says of owners and modes is left."""
        self._budget.enter()
        clean = self._names.file(name)
        if clean is None:
            for _ in chunks:  # what is skipped counts too
                pass
            return
        self._make(clean.rpartition("/")[0])
        # by descriptor: half the time of Path.open, which counts for a million files
        file = os.open(self._folder + clean, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            for chunk in chunks:
                _write(file, chunk)
        finally:
            os.close(file)
        self.num_files += 1

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Raises DataError for a member that is no file or folder."""
        raise DataError(
            f"{self.where}: {name[:80]!r} is {problem}; only plain files and folders are unpacked; pack it without"
        )

    def _make(self, folder: str) -> None:
        if folder not in self._made:
            os.makedirs(self._folder + folder, exist_ok=True)  # noqa: PTH103 - as above
            self._made.add(folder)


def write_tar(stream: CountedStream, target: Target) -> None:
    """Writes a tar's members as they stream past; raises what `archives` tells as damage."""
    with tarfile.TarFile(fileobj=cast("BinaryIO", stream), tarinfo=_Header, errors="surrogateescape") as archive:
        seen: list[tarfile.TarInfo] = vars(archive)["members"]
        while (member := archive.next()) is not None:
            seen.clear()
            if member.isdir():
                target.add_folder(member.name)
            elif member.isreg() and not member.issparse():
                target.add_file(member.name, stream.chunks(member.size))
            else:
                target.refuse(member.name, _tar_kind(member))
    for _ in stream.rest():
        pass


def write_zip(path: Path, target: Target, budget: UnpackBudget) -> None:
    """Writes a zip's members; raises what `archives` tells as damage."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            name = member.filename.replace("\\", "/")  # of archives made by old Windows programs
            _check_zip_kind(member, target)
            if name.endswith("/"):
                target.add_folder(name)
            else:
                with closing(_zip_chunks(archive, member, budget)) as chunks:
                    target.add_file(name, chunks)


class _Header(tarfile.TarInfo):
    """A header that is not one is an error; tarfile itself takes it for the end, and what follows would be lost."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if type(error).__name__ == END:
                raise
            raise tarfile.ReadError(str(error)) from None


def _write(file: int, chunk: bytes) -> None:
    written = os.write(file, chunk)
    while written < len(chunk):  # a disk that is nearly full takes a part, then tells
        written += os.write(file, chunk[written:])


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.islnk() or member.issym():
        return f"a {'hard' if member.islnk() else 'symbolic'} link"
    if member.issparse():
        return "a sparse file"
    return "a pipe" if member.isfifo() else "a device or of an unknown kind"


def _check_zip_kind(member: zipfile.ZipInfo, target: Target) -> None:
    if member.flag_bits & ENCRYPTED:
        target.refuse(member.filename, "encrypted")
    mode = stat.S_IFMT(member.external_attr >> 16) if member.create_system == UNIX else 0
    if mode == stat.S_IFLNK:
        target.refuse(member.filename, "a symbolic link")
    if mode not in {0, stat.S_IFREG, stat.S_IFDIR}:
        target.refuse(member.filename, "a pipe, device or of an unknown kind")


def _zip_chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: UnpackBudget) -> Generator[bytes]:
    with archive.open(member) as file:
        while chunk := file.read(CHUNK):
            budget.spend(len(chunk))
            yield chunk


MAX_PART_BYTES = 255
MAX_NAME_BYTES = 2048
JUNK_FOLDERS = ("__MACOSX",)
JUNK_FILES = (".DS_Store",)


class MemberNames:
    """Checks the names of an archive or of a remote folder as they come; raises DataError for one to refuse."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._folders: dict[str, str] = {"": ""}
        self._files: set[str] = set()

    def file(self, name: str) -> str | None:
        """The name to write, relative and clean; None for what a Mac leaves behind."""
        clean = self._clean(name)
        folder, _, last = clean.rpartition("/")
        if last in JUNK_FILES or clean.split("/", 1)[0] in JUNK_FOLDERS:
            return None
        if not last:
            self._refuse(name, "is no name of a file")
        self._enter(folder, name)
        key = _key(clean)
        if key in self._files or key in self._folders:
            self._refuse(name, "comes twice (names that differ only by Unicode's normal form are one)")
        self._files.add(key)
        return clean

    def folder(self, name: str) -> str | None:
        """As `file`, of a folder, which may come more than once; None also for the top itself."""
        clean = self._clean(name)
        if not clean or clean.split("/", 1)[0] in JUNK_FOLDERS:
            return None
        self._enter(clean, name)
        return clean

    def _clean(self, name: str) -> str:
        if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", name):
            self._refuse(name, "is an absolute path")
        parts = [part for part in name.split("/") if part not in {"", "."}]
        if ".." in parts:
            self._refuse(name, "leads outside with '..'")
        if "\0" in name:
            self._refuse(name, "holds a zero byte")
        encoded = [len(os.fsencode(part)) for part in parts]
        if max(encoded, default=0) > MAX_PART_BYTES or sum(encoded) + len(parts) > MAX_NAME_BYTES:
            self._refuse(name, f"is too long (at most {MAX_PART_BYTES} bytes a part, {MAX_NAME_BYTES} in all)")
        return "/".join(parts)

    def _enter(self, folder: str, name: str) -> None:
        """Takes in a folder and those above it."""
        if self._folders.get(folder) == folder:  # the usual case: the same folder as the file before
            return
        parts = folder.split("/")
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            key = _key(path)
            if key in self._files:
                self._refuse(name, f"lies in {path!r}, which is a file")
            if self._folders.setdefault(key, path) != path:
                self._refuse(name, "lies in a folder that comes twice, spelt in two of Unicode's normal forms")

    def _refuse(self, name: str, problem: str) -> None:
        told = name if len(name) <= 80 else name[:40] + "..." + name[-37:]  # noqa: PLR2004 - a line of a terminal
        raise DataError(f"{self._where}: the name {told!r} {problem}; such archives and folders are refused; rename it")


def _key(path: str) -> str:
    return path if path.isascii() else normalize("NFC", path)
