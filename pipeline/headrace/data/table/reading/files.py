"""Which files a table is made of, in what format each is, and which official split it holds."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from headrace.errors import DataError

log = logging.getLogger(__name__)

PACKED = (".gz", ".bz2", ".xz", ".zst")
FORMATS: dict[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".data": "lines",
    ".txt": "lines",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""Format by what a file's name ends in; csv, tsv and lines are read alike, but are no shards of one table."""
SPLITS: dict[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
ORDER = ("train", "val", "test", None)
TABLE_EXTENSIONS = tuple(FORMATS)
NOTES = (".txt", ".json")
"""Beside tables of other formats, files that end so are taken for descriptions."""


class TableFile(NamedTuple):
    """One file of a table."""

    path: Path
    format: str
    split: str | None


def find_files(path: Path, source: str) -> list[TableFile]:
    """The files of a file, glob or folder, those of `train` first; raises DataError where they are no single table.

    A glob is one only where no file has that very name.
    """
    where = f"params.yaml: ingest.source: {source!r}"
    if path.is_file():
        return [TableFile(path, _format(path) or "lines", None)]
    paths = sorted(_below(path) if path.is_dir() else _fitting(path))
    paths = [found for found in paths if found.is_file()]
    tables = _tables([found for found in paths if found.stat().st_size] or paths, source)  # Spark leaves empty shards
    if not tables:
        got = "holds no table" if paths or path.is_dir() else "no such file, and no file's name fits it"
        raise DataError(
            f"{where}: {got}; tables end in {list(FORMATS)}, packed in {list(PACKED)} or not; mend the path"
        )
    formats = sorted({form for _, form in tables})
    if len(formats) > 1:
        raise DataError(
            f"{where}: holds tables in several formats, {formats}; give a glob that fits one, such as *.csv"
        )
    splits = _splits([found for found, _ in tables], base_dir([found for found, _ in tables]), where)
    files = [TableFile(found, form, splits[found]) for found, form in tables]
    return sorted(files, key=lambda file: ORDER.index(file.split))


def is_table_file(path: Path) -> bool:
    """Whether a file's name, packed or not, ends like a table's."""
    return _format(path) is not None


def base_dir(paths: list[Path]) -> Path:
    """The folder that all of some files lie in: what paths in their cells are relative to."""
    return Path(os.path.commonpath([path.parent for path in paths]))


def _fitting(pattern: Path) -> Iterator[Path]:
    yield from map(Path, glob.iglob(str(pattern), recursive=True))  # noqa: PTH207 - Path.glob takes relative ones only


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] not in "._"]
        yield from (Path(root, name) for name in names)


def _tables(paths: list[Path], source: str) -> list[tuple[Path, str]]:
    """Those that are tables, each with its format; NOTES count only where there is nothing else."""
    kept: list[tuple[Path, str]] = []
    others: Counter[str] = Counter()
    for path in paths:
        if path.name[0] in "._" or path.name.lower().startswith(("readme", "license")) or path.suffix == ".names":
            continue
        form = _format(path)
        if form:
            kept.append((path, form))
        else:
            others[path.suffix] += 1
    proper = [(path, form) for path, form in kept if _bare(path).suffix.lower() not in NOTES]
    kept = proper or kept
    if kept and others:
        kinds = ", ".join(f"{count} {kind or 'without extension'}" for kind, count in others.most_common(5))
        log.warning("%s: left out %d files that are no tables (%s)", source, others.total(), kinds)
    return kept


def _bare(path: Path) -> Path:
    """The path less the extension of what packed it."""
    return path.with_suffix("") if path.suffix.lower() in PACKED else path


def _format(path: Path) -> str | None:
    suffix = _bare(path).suffix.lower()
    return "lines" if suffix[1:] in SPLITS else FORMATS.get(suffix)


def _splits(paths: list[Path], base: Path, where: str) -> dict[Path, str | None]:
    """The official split of each file; all None unless one is train and another is not."""
    splits = {path: _split(path, base, paths) for path in paths}
    found = set(splits.values())
    if "train" not in found or len(found) == 1:
        return dict.fromkeys(paths)
    if None in found:
        others = [path.name for path, split in splits.items() if split is None]
        raise DataError(
            f"{where}: holds files of official splits beside {others[:5]}; either every file's name tells a split"
            f" ({', '.join(SPLITS)}) or none does; give a glob that leaves the others out"
        )
    return splits


def _split(path: Path, base: Path, paths: list[Path]) -> str | None:
    """By its folders, else by the words of its name; `x.data` is what is trained on where there is an `x.test`."""
    bare = _bare(path)
    words = [folder.lower() for folder in path.relative_to(base).parts[:-1]]
    words += [word for word in re.split(r"[^a-z]+", bare.name.lower()) if word]
    named = next((SPLITS[word] for word in words if word in SPLITS), None)
    if named is None and bare.suffix.lower() == ".data":
        has_test = any(_bare(other) == bare.with_suffix(".test") for other in paths)
        return "train" if has_test else None
    return named
