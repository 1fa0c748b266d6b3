"""Reads the files that a table names: those of its source only, and never what is no plain file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

SPECIAL_FOLDERS = ("/proc/", "/sys/")
"""Their plain files are windows into the kernel and into other processes."""


class FileRefusedError(Exception):
    """A file that must not be read, with the reason."""


class LocalFiles:
    """Reads files by path, relative to a folder or absolute; links are resolved before a path is judged."""

    def __init__(self, base: Path, root: Path, *, allow_outside: bool) -> None:
        """Relative paths start from `base`; `allow_outside`: whether files outside `root` may be read too."""
        self._base_name = str(base)
        self._inside = os.path.join(os.path.realpath(root), "")  # noqa: PTH118 - with a slash at its end
        self._allow_outside = allow_outside
        self._real_folders: dict[str, str] = {}

    def read(self, name: str, max_bytes: int) -> bytes:
        """Returns at most `max_bytes + 1` bytes of a file; raises FileRefusedError or OSError."""
        path = self._check_place(self._resolve(name))
        about = os.lstat(path)
        if stat.S_ISLNK(about.st_mode):
            path = self._check_place(os.path.realpath(path))
            about = os.lstat(path)
        # a device is not opened, which may have effects, and a pipe or link that takes its place neither
        if not stat.S_ISREG(about.st_mode) or path.startswith(SPECIAL_FOLDERS):
            raise FileRefusedError("is not a file")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123
            return file.read(min(about.st_size, max_bytes) + 1)

    def _check_place(self, path: str) -> str:
        if not (self._allow_outside or f"{path}/".startswith(self._inside)):
            raise FileRefusedError("is outside the source; ingest.allow_outside: true allows it for a local one")
        return path

    def _resolve(self, name: str) -> str:
        """Resolves the links of folders, which are remembered, since most files share one."""
        path = os.path.join(self._base_name, name)  # noqa: PTH118 - Path takes as long as the reading
        folder, last = os.path.split(path)
        if last in {"", ".", ".."}:
            return os.path.realpath(path)
        real = self._real_folders.get(folder)
        if real is None:
            real = self._real_folders[folder] = os.path.realpath(folder)
        return os.path.join(real, last)  # noqa: PTH118
