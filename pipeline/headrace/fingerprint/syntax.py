"""The hash of a source file's syntax tree, and the modules that it imports; the same on every version of Python."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.storage.atomic import write_text

FORMAT = 1
"""Raised with every change of this module that changes hashes, so that no cache of an earlier one is read."""
IGNORED_FIELDS = {"ctx", "kind", "type_comment", "type_ignores"}
"""Fields of nodes that repeat what the tree says already, or only how it was written."""


@dataclass(frozen=True)
class SourceFile:
    """What a fingerprint needs to know of a file."""

    digest: str
    """SHA-256 of the syntax tree without docstrings; of the bytes if the file is not Python, or not valid."""
    imports: tuple[str, ...]
    """Imported modules, anywhere in the file except under `if TYPE_CHECKING:`; relative ones begin with dots. Of
    `from a import b`, both `a` and `a.b`."""


class SourceCache:
    """Files that were parsed before, by path, modification time and size; parsing the package takes a second."""

    _parsed: dict[str, tuple[list[int], SourceFile]] = {}
    """Shared by all caches of the process."""

    def __init__(self, path: Path) -> None:
        """Loads the cache file `path` if there is a valid one."""
        self._path, self._is_changed = path, False
        self._entries: dict[str, Any] = {}
        with suppress(OSError, ValueError, AttributeError):
            stored = json.loads(path.read_bytes())
            self._entries = stored["files"] if stored.get("format") == FORMAT else {}

    def read(self, path: Path) -> SourceFile:
        """Returns the file's hash and imports; raises OSError if it cannot be read."""
        status, key = path.stat(), str(path)
        stamp = [status.st_mtime_ns, status.st_size]
        entry = self._entries.get(key)
        if entry and entry[0] == stamp:
            return SourceFile(entry[1], tuple(entry[2]))
        known = self._parsed.get(key)
        source = known[1] if known and known[0] == stamp else parse_source(path)
        self._parsed[key] = (stamp, source)
        self._entries[key] = [stamp, source.digest, source.imports]
        self._is_changed = True
        return source

    def save(self) -> None:
        """Writes the cache file if there is anything new; a folder that cannot be written to is no error."""
        if self._is_changed:
            with suppress(OSError):
                write_text(self._path, json.dumps({"format": FORMAT, "files": self._entries}))
            self._is_changed = False


def parse_source(path: Path) -> SourceFile:
    """Returns the hash and the imports of a file; raises OSError if it cannot be read."""
    content = path.read_bytes()
    if path.suffix == ".py":
        with suppress(SyntaxError, ValueError, RecursionError):  # the import of the file reports it
            tree = ast.parse(content)
            words: list[str] = []
            _describe(tree, words)
            digest = hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()
            return SourceFile(digest, _find_imports(tree))
    return SourceFile(hashlib.sha256(content).hexdigest(), ())


def hash_folder(folder: Path) -> str:
    """Returns the SHA-256 of the names and bytes of all files below a folder, except compiled ones."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            digest.update(os.fsencode(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0"))
            digest.update(content)
    return digest.hexdigest()


def _describe(node: Any, words: list[str]) -> None:
    """Appends the tree as words. Unlike ast.dump, it does not depend on the version of Python.

    Fields that are empty are left out, since later versions have more of them.
    """
    if isinstance(node, list):
        words.append("[")
        for item in node:
            _describe(item, words)
        words.append("]")
    elif isinstance(node, ast.AST):
        words.append(type(node).__name__)
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                value = [item for item in value if not _is_docstring(item) and not _is_empty_part(item, node)]
            if value is not None and value != [] and name not in IGNORED_FIELDS:
                words.append(name)
                _describe(value, words)
        words.append(")")
    else:
        words.append(repr(node))


def _is_docstring(node: Any) -> bool:
    """Whether it is a statement that is only a string, such as those below the fields of settings."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_empty_part(node: Any, parent: ast.AST) -> bool:
    """Whether it is one of the empty strings that Python 3.12 adds to the parts of an f-string."""
    return isinstance(parent, ast.JoinedStr) and isinstance(node, ast.Constant) and node.value == ""


def _find_imports(tree: ast.AST) -> tuple[str, ...]:
    names: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            separator = "." if node.module else ""
            names |= {module, *(f"{module}{separator}{alias.name}" for alias in node.names)}
        waiting += ast.iter_child_nodes(node)
    return tuple(sorted(names))
