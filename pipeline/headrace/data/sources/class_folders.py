"""Folders by class, with or without train, val and test above the classes: which files they hold, and as what."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from headrace.errors import DataError
from headrace.paths import SPLIT_ALIASES


class File(NamedTuple):
    """A file of a folder by class."""

    path: str
    """Below the folder, with forward slashes; as the system has it, which need not be UTF-8."""
    label: str | None
    """None for a file that lies in no class's folder."""
    split: str | None

    def row(self) -> dict[str, str | None]:
        """The row's `row_id`, which depends on the path alone, `label`, `path` and `split`, as UTF-8."""
        row_id = blake2b(os.fsencode(self.path), digest_size=16).hexdigest()
        # names that are no UTF-8 (old archives have them) keep their bytes, escaped
        label = None if self.label is None else _utf8(self.label)
        return {"row_id": row_id, "label": label, "path": _utf8(self.path), "split": self.split}


def find_files(folder: Path, extensions: Collection[str], *, noun: str, where: str) -> tuple[list[str], Counter[str]]:
    """Files below a folder that end in one of `extensions`, sorted, and how many others there are by extension.

    Raises DataError where there is none; `noun` is what one of them is, `where` begins the message.
    """
    paths, others = [], Counter[str]()
    for path in list_files(folder):
        extension = extension_of(path)
        if extension in extensions:
            paths.append(path)
        else:
            others[extension] += 1
    if not paths:
        got = f"holds no {noun} ({others.total()} other files)" if others else "is empty"
        raise DataError(f"{where}: {got}; {noun}s end in {list(extensions)}; put them in one folder a class")
    return sorted(paths), others


def extension_of(path: str) -> str:
    """In small letters, with its dot; empty where there is none."""
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - 10 times faster than a Path a file


def tell(others: Counter[str]) -> str:
    """The commonest extensions of files that are left out.

    >>> tell(Counter({".txt": 2, "": 1}))
    '2 .txt, 1 without extension'
    """
    commonest = sorted(others.items(), key=lambda item: (-item[1], item[0]))[:5]
    return ", ".join(f"{count} {kind or 'without extension'}" for kind, count in commonest)


def list_files(folder: Path, below: str = "", above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Files below a folder that are not hidden; links are followed, but never round in a circle."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not entry.is_dir():
                if entry.is_file() or entry.is_symlink():  # not a pipe, whose reader would wait for ever
                    yield below + entry.name
                continue
            stat = entry.stat()
            identity = (stat.st_dev, stat.st_ino)
            if identity not in above:
                yield from list_files(Path(entry.path), f"{below}{entry.name}/", above | {identity})


def place(paths: list[str], where: str) -> list[File]:
    """Finds each file's label and official split from the folders that it lies in.

    Raises DataError where splits and classes stand side by side.
    """
    tops = {path.split("/", 1)[0] for path in paths if "/" in path}
    splits = {top for top in tops if top.lower() in SPLIT_ALIASES}
    has_splits = "train" in {SPLIT_ALIASES[top.lower()] for top in splits}
    if has_splits and splits != tops:
        raise DataError(
            f"{where}: holds {sorted(splits)} beside {sorted(tops - splits)[:5]}; either every folder on top is a split"
            f" ({', '.join(SPLIT_ALIASES)}) or every one is a class; move the others away"
        )
    return [_placed(path, has_splits=has_splits) for path in paths]


def check_classes(files: list[File], *, noun: str, where: str) -> None:
    """Raises DataError unless there are files of two classes at least."""
    classes = {file.label for file in files} - {None}
    if not classes:
        raise DataError(
            f"{where}: holds {len(files)} {noun}s but no class's folder; move each into a folder of its class"
        )
    if len(classes) == 1:
        raise DataError(
            f"{where}: has only one class, {classes.pop()!r}; at least two are needed; add a folder of another"
        )


def read_bytes(folder: Path, file: File) -> bytes:
    """What a file holds; raises DataError where it cannot be read."""
    try:
        return (folder / file.path).read_bytes()
    except OSError as error:
        path = _utf8(str(folder / file.path))
        raise DataError(f"{path}: cannot be read ({error.strerror}); mend or remove it") from None


def _placed(path: str, *, has_splits: bool) -> File:
    *folders, _ = path.split("/")
    split = SPLIT_ALIASES[folders.pop(0).lower()] if has_splits and folders else None
    return File(path, folders[0] if folders else None, split)


def _utf8(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
