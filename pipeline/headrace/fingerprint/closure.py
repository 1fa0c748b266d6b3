"""The import closure of a module: all modules that it needs, as far as a function finds their files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from headrace.fingerprint.syntax import SourceCache, SourceFile


def find_closure(
    modules: Iterable[str],
    find_file: Callable[[str], Path | None],
    cache: SourceCache,
    copied: Mapping[str, Iterable[str]],
) -> dict[str, SourceFile]:
    """Returns the modules and whatever they import, at once or in a function, with the packages around them.

    A module that `find_file` does not find is left out. `copied`: module -> modules whose source it copies without
    importing them.
    """
    closure: dict[str, SourceFile] = {}
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        parent = name.rpartition(".")[0]
        waiting += [parent] if parent else []
        path = find_file(name)
        if path is not None:
            closure[name] = cache.read(path)
            package = name if path.name.startswith("__init__.") else parent
            waiting += [resolve_import(found, package) for found in closure[name].imports]
            waiting += copied.get(name, ())
    return closure


def resolve_import(name: str, package: str) -> str:
    """Returns the full name of an import within `package`: `..a` in `x.y` is `x.a`."""
    relative = name.lstrip(".")
    level = len(name) - len(relative)
    if not level:
        return name
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *([relative] if relative else [])])


def find_in_folder(folder: Path, name: str, suffixes: Iterable[str] = (".py",)) -> Path | None:
    """Returns the file of module `name` below a folder of `sys.path`, or None."""
    base = os.path.join(folder, *name.split("."))  # noqa: PTH118 - strings: Path takes most of the time of a stage's start
    names = [name for suffix in suffixes for name in (f"{base}/__init__{suffix}", f"{base}{suffix}")]
    return next((Path(name) for name in names if os.path.isfile(name)), None)  # noqa: PTH113
