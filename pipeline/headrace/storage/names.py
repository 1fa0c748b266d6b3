"""Names that strangers gave their files: kept below one folder, each told apart from every other."""

from __future__ import annotations

import os
import re
from unicodedata import normalize

from headrace.errors import DataError

MAX_PART_BYTES = 255
MAX_NAME_BYTES = 2048
JUNK_FOLDERS = ("__MACOSX",)
JUNK_FILES = (".DS_Store",)


class Names:
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
