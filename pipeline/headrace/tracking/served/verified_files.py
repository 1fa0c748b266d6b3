"""The files of a registered version: checked against the checksums of its registration, and imported from sources only.

`served_model.py` gets a copy of this module, which therefore needs nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import json
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

CHECKSUMS = "artifacts/checksums.json"


class ChangedFileError(Exception):
    """A file is not the one that was registered."""


def verify_files(folder: Path) -> str:
    """Returns the name of a model's package; raises ChangedFileError for a file that is not as it was registered.

    No other file may lie in the folders that programs are imported from and data are read from, but bytecode, which
    `PackageFinder` ignores.
    """
    recorded = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    present = {
        path.relative_to(folder).as_posix()
        for below in ("code", "artifacts")
        for path in (folder / below).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__" and path != folder / CHECKSUMS
    }
    for name in sorted(present | recorded["files"].keys()):
        path, expected = folder / name, recorded["files"].get(name, "")
        actual = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
        if actual != expected:
            raise ChangedFileError(
                f"{name}: SHA-256 is {actual}, at registration it was {expected or 'not there'}: this version was"
                " changed or damaged; register it again: dvc repro --force --single-item register"
            )
    return str(recorded["package"])


class SourceOnlyLoader(SourceLoader):
    """Compiles a module from its source; it has no `path_stats`, without which Python uses no bytecode file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002 the signature of importlib
        """Returns the path of the source."""
        return str(self._path)

    def get_data(self, path: str) -> bytes:
        """Returns the source."""
        return Path(path).read_bytes()


class PackageFinder(MetaPathFinder):
    """Finds the modules of one package, which has no folders below it.

    They are compiled from their sources: Python would run a `.pyc` beside them, which no checksum covers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        """Returns where a module of the package is; None for all others."""
        package, _, module = fullname.partition(".")
        source = self._folder / f"{module or '__init__'}.py"
        if package != self._folder.name or not source.is_file():
            return None
        folders = None if module else [str(self._folder)]
        return spec_from_file_location(
            fullname, source, loader=SourceOnlyLoader(source), submodule_search_locations=folders
        )
