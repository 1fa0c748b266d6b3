"""Extraction of tar and zip archives below one folder; members that could reach outside it raise DataError."""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, NoReturn, Self, cast
from unicodedata import normalize

from headrace.data.sources.archives.compression import CHUNK
from headrace.data.sources.limits import UnpackBudget
from headrace.errors import DataError

ENCRYPTED = 0x1
UNIX = 3
END_OF_ARCHIVE = "EOFHeaderError"
"""What tarfile raises at the zeros that end an archive (its type stubs omit the class)."""
REFUSED_TYPES = {tarfile.LNKTYPE: "a hard link", tarfile.SYMTYPE: "a symbolic link", tarfile.FIFOTYPE: "a pipe"}
REFUSED_TYPES |= dict.fromkeys((tarfile.GNUTYPE_SPARSE, tarfile.REGTYPE), "a sparse file")
MAX_PART_BYTES = 255
MAX_NAME_BYTES = 2048
JUNK_FOLDERS = ("__MACOSX",)
JUNK_FILES = (".DS_Store",)


class SafeExtractor:
    """Extracts archives into an empty folder: plain files and folders only, without their owners, modes and times."""

    def __init__(self, folder: Path, budget: UnpackBudget, where: str) -> None:
        """`where` begins the error messages."""
        self._folder, self._budget, self._where = folder, budget, where
        self._names = MemberNames(where)
        self.num_files = 0

    def extract_tar(self, file: BinaryIO) -> None:
        """Extracts a tar archive from a stream; raises what `tarfile` raises for a damaged one."""
        stream = cast("BinaryIO", _CountedStream(file, self._budget))
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_StrictHeader) as archive:
            headers: list[tarfile.TarInfo] = vars(archive)["members"]
            while (member := archive.next()) is not None:
                headers.clear()  # or those of a million files stay in memory
                archive.extract(member, self._folder, set_attrs=False, filter=self._filter)
        while stream.read(CHUNK):  # to the end, where the checksum is
            pass

    def read_tar(self, file: BinaryIO, max_bytes: int) -> Iterator[tuple[str, bytes]]:
        """Yields the names and contents of a tar archive's files, of at most `max_bytes` each, and writes nothing."""
        stream = cast("BinaryIO", _CountedStream(file, self._budget))
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_StrictHeader) as archive:
            headers: list[tarfile.TarInfo] = vars(archive)["members"]
            while (member := archive.next()) is not None:
                headers.clear()
                self._budget.add_entry()
                if member.isdir():
                    continue
                if member.issparse() or not member.isreg():
                    self._refuse(member.name, REFUSED_TYPES.get(member.type, "a device or of an unknown kind"))
                if member.size > max_bytes:
                    self._refuse(member.name, f"larger than {max_bytes:,} bytes")
                content = archive.extractfile(member)
                data = content.read() if content else b""
                if len(data) < member.size:
                    raise tarfile.ReadError("unexpected end of data")
                yield member.name, data
        while stream.read(CHUNK):
            pass

    def extract_zip(self, path: Path) -> None:
        """Extracts a zip archive; raises what `zipfile` raises for a damaged one."""
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                self._check_zip_member(member)
                name = member.filename.replace("\\", "/")  # old Windows programs write backslashes
                clean = self._accept(name, is_folder=name.endswith("/"))
                self._budget.add_bytes(member.file_size)  # zipfile reads no more than this, whatever the data hold
                if clean is not None:
                    member.filename = clean + "/" * name.endswith("/")
                    archive.extract(member, self._folder)

    def extract_file(self, file: BinaryIO, name: str) -> None:
        """Writes the content of a single decompressed file."""
        clean = self._accept(name, is_folder=False)
        if clean is not None:
            with (self._folder / clean).open("wb") as target:
                shutil.copyfileobj(_CountedStream(file, self._budget), target, CHUNK)

    def _accept(self, name: str, *, is_folder: bool) -> str | None:
        self._budget.add_entry()
        clean = self._names.check(name, is_folder=is_folder)
        self.num_files += clean is not None and not is_folder
        return clean

    def _filter(self, member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:  # noqa: ARG002 tarfile's protocol
        """Stricter than `tarfile.data_filter`, which also resolves every path on disk: a quarter of the time."""
        if member.issparse() or not (member.isreg() or member.isdir()):
            self._refuse(member.name, REFUSED_TYPES.get(member.type, "a device or of an unknown kind"))
        name = self._accept(member.name, is_folder=member.isdir())
        return None if name is None else member.replace(name=name, deep=False)

    def _check_zip_member(self, member: zipfile.ZipInfo) -> None:
        if member.flag_bits & ENCRYPTED:
            self._refuse(member.filename, "encrypted")
        kind = stat.S_IFMT(member.external_attr >> 16) if member.create_system == UNIX else 0
        if kind == stat.S_IFLNK:
            self._refuse(member.filename, "a symbolic link")
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            self._refuse(member.filename, "a pipe, device or of an unknown kind")

    def _refuse(self, name: str, problem: str) -> NoReturn:
        raise DataError(
            f"{self._where}: {name[:80]!r} is {problem}; only plain files and folders are unpacked; pack it without"
        )


class MemberNames:
    """Checks the names in an archive or a remote folder, one after the other."""

    def __init__(self, where: str) -> None:
        """`where` begins the error messages."""
        self._where = where
        self._folders: dict[str, str] = {}
        self._files: set[str] = set()

    def check(self, name: str, *, is_folder: bool = False) -> str | None:
        """Returns the relative name to write, or None for the top folder and for files that macOS adds.

        Raises DataError for a name that leads outside, is too long, or occurs twice (only folders may).
        """
        parts = [part for part in name.split("/") if part not in {"", "."}]
        if problem := _problem(name, parts) or ("" if parts or is_folder else "is not a file name"):
            self._refuse(name, problem)
        if not parts or parts[0] in JUNK_FOLDERS or (parts[-1] in JUNK_FILES and not is_folder):
            return None
        paths = list(accumulate(parts, "{}/{}".format))
        for folder in paths if is_folder else paths[:-1]:
            key = _normal_form(folder)
            if key in self._files:
                self._refuse(name, f"is below {folder!r}, which is a file")
            if self._folders.setdefault(key, folder) != folder:
                self._refuse(name, "is in a folder that occurs twice, in two Unicode normal forms")
        if not is_folder:
            key = _normal_form(paths[-1])
            if key in self._files or key in self._folders:
                self._refuse(name, "occurs twice (names that differ only in Unicode normal form are the same)")
            self._files.add(key)
        return paths[-1]

    def _refuse(self, name: str, problem: str) -> NoReturn:
        shown = name if len(name) <= 80 else f"{name[:40]}...{name[-37:]}"  # noqa: PLR2004 - a line of a terminal
        raise DataError(f"{self._where}: the name {shown!r} {problem}; rename it")


class _StrictHeader(tarfile.TarInfo):
    """Raises ReadError for an invalid header, where tarfile would end early, without an error."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            header = super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if type(error).__name__ == END_OF_ARCHIVE:
                raise
            raise tarfile.ReadError(str(error)) from None
        if header.size < 0:
            raise tarfile.ReadError("negative size")
        return header


class _CountedStream(io.RawIOBase):
    """Counts bytes as they are read."""

    def __init__(self, file: BinaryIO, budget: UnpackBudget) -> None:
        self._file, self._budget = file, budget

    def read(self, size: int = CHUNK, /) -> bytes:
        chunk = self._file.read(size)
        self._budget.add_bytes(len(chunk))
        return chunk


def _problem(name: str, parts: list[str]) -> str:
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", name):
        return "is an absolute path"
    if ".." in parts:
        return "leads outside the folder with '..'"
    if "\0" in name:
        return "contains a null byte"
    sizes = [len(os.fsencode(part)) for part in parts]
    if max(sizes, default=0) > MAX_PART_BYTES or sum(sizes) + len(parts) > MAX_NAME_BYTES:
        return f"is too long (at most {MAX_PART_BYTES} bytes a part, {MAX_NAME_BYTES} in all)"
    return ""


def _normal_form(path: str) -> str:
    return path if path.isascii() else normalize("NFC", path)
