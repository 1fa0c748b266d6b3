"""Class folders, with or without train, val and test above the classes: lists and labels their files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from headrace.contracts import Assumption
from headrace.data.sources.row_source import SOURCE, to_utf8
from headrace.errors import DataError
from headrace.paths import SPLIT_ALIASES

JUNK = frozenset(
    ["__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found", "Thumbs.db",
     "ehthumbs.db", "desktop.ini"]
)  # fmt: skip
"""Files and folders that operating systems and network drives add."""
DESCRIPTIONS = (".csv", ".html", ".ini", ".json", ".md", ".tsv", ".txt", ".xml", ".yaml", ".yml")
"""Extensions of files about images: a folder of nothing else is not taken for a class whose images are lost."""


class ClassFile(NamedTuple):
    """A file in a class folder."""

    path: str
    """Relative, with forward slashes; as the file system has it, which need not be UTF-8."""
    label: str | None
    """None for a file outside the class folders."""
    split: str | None

    def row(self) -> dict[str, str | None]:
        """Returns `row_id`, which depends on the path only, `label`, `path`, `split` and `source`, as UTF-8."""
        row_id = blake2b(os.fsencode(self.path), digest_size=16).hexdigest()
        label, path = None if self.label is None else to_utf8(self.label), to_utf8(self.path)
        return {"row_id": row_id, "label": label, "path": path, "split": self.split, SOURCE: path}


def find_files(folder: Path, extensions: Collection[str], *, noun: str, where: str) -> tuple[list[str], list[str]]:
    """Returns the sorted files with one of `extensions`, and the other files.

    Raises DataError if there are none. `noun` names one of the files, `where` begins the message.
    """
    paths: list[str] = []
    others: list[str] = []
    for path in list_files(folder):
        (paths if get_extension(path) in extensions else others).append(path)
    if not paths:
        got = f"contains no {noun} ({len(others)} other files)" if others else "is empty"
        raise DataError(f"{where}: {got}; {noun}s end in {list(extensions)}; put them in one folder per class")
    return sorted(paths), others


def get_extension(path: str) -> str:
    """Returns the extension in lower case, with its dot, or an empty string."""
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - 10 times faster than Path


def format_extensions(paths: Iterable[str]) -> str:
    """Formats the most common extensions of skipped files.

    >>> format_extensions(["cat/notes.txt", "list.txt", "README"])
    '2 .txt, 1 without extension'
    """
    counts = Counter(map(get_extension, paths))
    most_common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]
    return ", ".join(f"{count} {extension or 'without extension'}" for extension, count in most_common)


def is_ignored(name: str) -> bool:
    """Whether a file or folder is hidden, or one that no person made."""
    return name.startswith(".") or name in JUNK


def find_wrapper(paths: Sequence[str]) -> str:
    """Returns the folders that are above all classes and splits, such as `flowers/photos/`; mostly empty.

    >>> find_wrapper(["flowers/rose/1.jpg", "flowers/lily/1.jpg"])
    'flowers/'
    """
    folders = {path.rpartition("/")[0] for path in paths}
    common = os.path.commonpath(folders) if folders else ""
    if common in folders:  # it has files of its own, and so is a class
        return ""
    parts = common.split("/")
    end = next((index for index, part in enumerate(parts) if part.lower() in SPLIT_ALIASES), len(parts))
    return "".join(f"{part}/" for part in parts[:end] if part)


def label_files(paths: Sequence[str], where: str) -> list[ClassFile]:
    """Does as `assign_labels`, below the folders that are above all classes."""
    wrapper = find_wrapper(paths)
    files = assign_labels([path.removeprefix(wrapper) for path in paths], where)
    return [file._replace(path=wrapper + file.path) for file in files]


def assume_wrapper(paths: Sequence[str]) -> list[Assumption]:
    """A remark about folders above the classes."""
    wrapper = find_wrapper(paths)
    if not wrapper:
        return []
    text = f"classes are the folders in {wrapper}, which is above all files"
    setting = "ingest.source: the folder that is above them"
    return [Assumption(stage="ingest", subject="classes", text=text, setting=setting)]


def list_files(folder: Path, below: str = "", above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Yields the files below a folder that are not hidden or junk; follows links, but no cycles."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_ignored(entry.name):
                continue
            if not entry.is_dir():
                if entry.is_file() or entry.is_symlink():  # not a pipe, which would block its reader
                    yield below + entry.name
                continue
            stat = entry.stat()
            identity = (stat.st_dev, stat.st_ino)
            if identity not in above:
                yield from list_files(Path(entry.path), f"{below}{entry.name}/", above | {identity})


def assign_labels(paths: list[str], where: str) -> list[ClassFile]:
    """Returns the files with their labels and official splits, which are the names of their folders.

    A folder `train` beside folders that are no splits is a class if its files lie in it, as those of classes do.
    Raises DataError if it has folders of its own, as splits have.
    """
    tops = {path.split("/", 1)[0] for path in paths if "/" in path}
    splits = {top for top in tops if top.lower() in SPLIT_ALIASES}
    has_splits = "train" in {SPLIT_ALIASES[top.lower()] for top in splits}
    if has_splits and splits != tops:
        nested = sorted(top for top in splits if _has_class_folders(top, paths))
        if nested:
            raise DataError(
                f"{where}: contains {nested} with folders of classes, and also {sorted(tops - splits)[:5]}; either all"
                f" top folders are splits ({', '.join(SPLIT_ALIASES)}) or all are classes; move the others away"
            )
        has_splits = False
    return [_label_file(path, has_splits=has_splits) for path in paths]


def assume_splits(files: list[ClassFile]) -> list[Assumption]:
    """Remarks about folders that have the name of a split."""
    wrapper = find_wrapper([file.path for file in files])
    names = sorted({file.path.removeprefix(wrapper).split("/", 1)[0] for file in files if file.split})
    if names:
        text = f"the folders {names} are official splits"
        return [Assumption(stage="ingest", subject="splits", text=text, setting="split.strategy: stratified")]
    classes = sorted({file.label for file in files if file.label and file.label.lower() in SPLIT_ALIASES})
    if not classes:
        return []
    text = f"the folders {classes} are classes, since the folders beside them are no splits"
    setting = "the names of the folders in ingest.source"
    return [Assumption(stage="ingest", subject="classes", text=text, setting=setting, is_warning=True)]


def check_classes(files: list[ClassFile], *, noun: str, where: str) -> None:
    """Raises DataError unless there are at least two classes."""
    classes = {file.label for file in files} - {None}
    if not classes:
        raise DataError(
            f"{where}: contains {len(files)} {noun}s but no class folder; move each into the folder of its class"
        )
    if len(classes) == 1:
        raise DataError(
            f"{where}: has only one class, {classes.pop()!r}; at least two are needed; add the folder of another"
        )


def check_lost_classes(
    files: list[ClassFile], others: Iterable[str], extensions: Collection[str], *, noun: str, where: str
) -> None:
    """Raises DataError if a class folder has no file of `extensions`, but files of other kinds than DESCRIPTIONS.

    `files` are those with one of the extensions, `others` the paths of the rest.
    """
    wrapper = find_wrapper([file.path for file in files])
    labels, has_splits = {file.label for file in files}, any(file.split for file in files)
    lost: dict[str, list[str]] = {}
    for path in (each.removeprefix(wrapper) for each in others if each.startswith(wrapper)):
        top = path.partition("/")[0].lower()
        if get_extension(path) in DESCRIPTIONS or (has_splits and top not in SPLIT_ALIASES):
            continue
        label = _label_file(path, has_splits=has_splits).label
        if label is not None and label not in labels:
            lost.setdefault(label, []).append(path)
    if lost:
        got = format_extensions(path for paths in lost.values() for path in paths)
        raise DataError(
            f"{where}: no file in the class folders {sorted(lost)[:5]} has the extension of an {noun} ({got}); {noun}s"
            f" end in {list(extensions)}; convert or rename the files, or move the folders away"
        )


def read_file(folder: Path, file: ClassFile) -> bytes:
    """Returns the content of a file; raises DataError if it cannot be read."""
    try:
        return (folder / file.path).read_bytes()
    except OSError as error:
        path = to_utf8(str(folder / file.path))
        raise DataError(f"{path}: cannot be read ({error.strerror}); fix or remove it") from None


def _has_class_folders(top: str, paths: list[str]) -> bool:
    """Whether most files of a folder lie in folders of it."""
    depths = [path.count("/") for path in paths if path.startswith(f"{top}/")]
    return sum(depth > 1 for depth in depths) > len(depths) / 2


def _label_file(path: str, *, has_splits: bool) -> ClassFile:
    *folders, _ = path.split("/")
    split = SPLIT_ALIASES[folders.pop(0).lower()] if has_splits and folders else None
    return ClassFile(path, folders[0] if folders else None, split)
