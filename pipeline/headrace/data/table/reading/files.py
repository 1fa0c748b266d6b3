"""Finds the files of a table, with the format and the official split of each."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from headrace.contracts import Assumption
from headrace.data.sources.archives.compression import COMPRESSIONS
from headrace.data.sources.class_folders import JUNK
from headrace.data.sources.image_formats import EXTENSIONS as IMAGE_EXTENSIONS
from headrace.data.sources.image_formats import MIN_IMAGES
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.delimited.reader import open_delimited
from headrace.data.table.reading.folders.annotations import assume_annotations, is_annotations
from headrace.data.table.reading.folders.competition import find_competition
from headrace.data.table.reading.folders.lakes import DELTA, find_lake_kind, open_delta, refuse_lakes
from headrace.data.table.reading.folders.partitions import assume_partitions, find_partitions
from headrace.data.table.reading.folders.text_lines import LABEL, assume_class_files, find_class_files
from headrace.data.table.reading.formats.saved_dataset import select_saved_files
from headrace.data.table.reading.formats.svmlight import is_svmlight
from headrace.errors import DataError
from headrace.paths import SPLIT_ALIASES

log = logging.getLogger(__name__)

FORMATS: dict[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".data": "lines",
    ".txt": "lines",
    ".svm": "svmlight",
    ".libsvm": "svmlight",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "arrow",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".orc": "orc",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xls": "excel",
    ".arff": "arff",
    ".npz": "npz",
    ".db": "database",
    ".db3": "database",
    ".sqlite": "database",
    ".sqlite3": "database",
    ".duckdb": "database",
}
"""Format by file extension; csv, tsv and lines are read alike, but are never shards of one table."""
SPLIT_ORDER = ("train", "val", "test", None)
TABLE_EXTENSIONS = tuple(FORMATS)
DESCRIPTION_EXTENSIONS = (".txt", ".json")
"""Next to tables of other formats, files with these extensions are taken for descriptions."""


NO_TABLES = (".", "_", "~$")
"""Beginnings of the names of hidden files, of those of Spark, and of the locks of Excel."""
THUMBNAILS = "thumbs.db"
"""A file of Windows in folders of images."""


class TableFile(NamedTuple):
    """One file of a table."""

    path: Path
    format: str
    split: str | None
    cells: Mapping[str, str | None] = MappingProxyType({})
    """The same cells for every row, in columns that the file itself does not have."""
    assumptions: Sequence[Assumption] = ()
    """Remarks about the table, the same for all of its files."""
    target: str | list[str] | None = None
    """The target that the other files of the folder name, for a table of one file."""


def find_table_files(path: Path, source: str) -> list[TableFile]:
    """The files that a file, glob or folder stands for, those of `train` first.

    A path is a glob only if no file has exactly that name. Raises DataError if the files are not one table.
    """
    where = f"params.yaml: ingest.source: {source!r}"
    if path.is_file():
        refuse_lakes([path], path.parent, where)
        file_format = _detect_format(path, _format(path) or "lines")
        return [TableFile(path, file_format, None, {}, _assume_content(path, file_format))]
    if find_lake_kind(path) == DELTA:
        table = open_delta(path, where)
        return [TableFile(file.path, "parquet", None, file.cells, table.assumptions) for file in table.files]
    top = _find_top(path)
    paths = [file for file in sorted(_list_files(top) if top == path else _match(path, top)) if file.is_file()]
    if classes := find_class_files(paths, FORMATS):
        remarks = assume_class_files(classes)
        return [TableFile(file, "text_lines", None, {LABEL: label}, remarks) for file, label in classes.items()]
    formats = _select_tables([file for file in paths if file.stat().st_size] or paths, source)  # Spark: empty shards
    if not formats:
        got = "contains no table" if paths or path.is_dir() else "no such file, and no file matches it as a glob"
        raise DataError(
            f"{where}: {got}; tables end in {list(FORMATS)}, optionally compressed ({list(COMPRESSIONS)});"
            " correct the path"
        )
    if len(set(formats.values())) > 1:
        raise DataError(
            f"{where}: contains tables in several formats, {sorted(set(formats.values()))}; give a glob that matches"
            " one of them, such as *.csv"
        )
    return _describe_files(formats, top, where)


def is_table_file(path: Path) -> bool:
    """Whether a file has the extension of a table, compressed or not."""
    return _format(path) is not None


def find_common_dir(paths: list[Path]) -> Path:
    """The deepest folder that contains all of the files; paths in their cells are relative to it."""
    return Path(os.path.commonpath([path.parent for path in paths]))


def _describe_files(formats: Mapping[Path, str], top: Path, where: str) -> list[TableFile]:
    """Formats, splits and partitions of files below `top`, those of `train` first."""
    refuse_lakes(formats, top, where)
    if competition := find_competition(formats, _read_names):
        train = competition.train
        return [TableFile(train, formats[train], None, {}, competition.assumptions, competition.target)]
    partitions = find_partitions(formats, top)
    remarks = assume_partitions(next(iter(partitions.values())))
    first = next(iter(formats))
    file_format = _detect_format(first, formats[first])
    splits = _find_splits(list(formats), where)
    remarks += _assume_content(first, file_format)
    files = [TableFile(file, file_format, splits[file], partitions[file], remarks) for file in formats]
    return sorted(files, key=lambda file: SPLIT_ORDER.index(file.split))


def _read_names(path: Path) -> list[str]:
    """The columns of delimited text; none for other formats."""
    return open_delimited(path, ReadOptions(), None).names if _format(path) in {"csv", "tsv", "lines"} else []


def _find_top(path: Path) -> Path:
    """The part of a pattern that is a folder of exactly that name, such as `runs [old]`; the whole of a folder."""
    top = Path(path.anchor)
    for part in path.parts[bool(path.anchor) :]:
        if not (top / part).is_dir():
            break
        top /= part
    return top


def _match(path: Path, top: Path) -> Iterator[Path]:
    """The files that match a pattern below `top`."""
    pattern = os.path.join(glob.escape(str(top)), path.relative_to(top))  # noqa: PTH118
    return map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob matches no `..`


def _list_files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] not in "._" and name not in JUNK]
        yield from (Path(root, name) for name in names if name not in JUNK)


def _select_tables(paths: list[Path], source: str) -> dict[Path, str]:
    """Format by path, for the tables among the files; descriptions count only if there is nothing else."""
    if saved := select_saved_files(paths):
        return saved
    formats: dict[Path, str] = {}
    others: Counter[str] = Counter()
    for path in paths:
        if path.name.startswith(NO_TABLES) or path.name.lower().startswith(("readme", "license")):
            continue
        if path.suffix == ".names":
            continue
        if file_format := _format(path):
            formats[path] = file_format
        else:
            others[path.suffix.lower()] += 1
    data = {p: f for p, f in formats.items() if _uncompressed(p).suffix.lower() not in DESCRIPTION_EXTENSIONS}
    formats = data or formats
    if sum(others[extension] for extension in IMAGE_EXTENSIONS) >= MIN_IMAGES:  # reported where rows name images
        others = Counter({name: count for name, count in others.items() if name not in IMAGE_EXTENSIONS})
    if formats and others:
        extensions = ", ".join(f"{count} {name or 'without extension'}" for name, count in others.most_common(5))
        log.warning("%s: skipped %d files that are not tables (%s)", source, others.total(), extensions)
    return formats


def _uncompressed(path: Path) -> Path:
    """The path without the extension of its compression."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


def _detect_format(path: Path, file_format: str) -> str:
    """The format; text of unknown columns may be svmlight, and JSON annotations, by their content."""
    if file_format == "lines" and is_svmlight(path):
        return "svmlight"
    return "annotations" if file_format == "jsonl" and is_annotations(path) else file_format


def _assume_content(path: Path, file_format: str) -> list[Assumption]:
    return assume_annotations(path) if file_format == "annotations" else []


def _format(path: Path) -> str | None:
    suffix = _uncompressed(path).suffix.lower()
    if path.name.lower() == THUMBNAILS:
        return None
    return "lines" if suffix[1:] in SPLIT_ALIASES else FORMATS.get(suffix)


def _find_splits(paths: list[Path], where: str) -> dict[Path, str | None]:
    """The official split of each file; all None unless one is train and another is not."""
    base = find_common_dir(paths)
    splits = {path: _split(path, base, paths) for path in paths}
    distinct = set(splits.values())
    if "train" not in distinct or len(distinct) == 1:
        return dict.fromkeys(paths)
    if None in distinct:
        others = [path.name for path, split in splits.items() if split is None]
        raise DataError(
            f"{where}: some files belong to an official split, but {others[:5]} do not; either every file name contains"
            f" a split ({', '.join(SPLIT_ALIASES)}) or none does; give a glob that excludes the others"
        )
    return splits


def _split(path: Path, base: Path, paths: list[Path]) -> str | None:
    """By its folders, else by the words of its name; `x.data` is the training data if there is an `x.test`."""
    bare = _uncompressed(path)
    words = [folder.lower() for folder in path.relative_to(base).parts[:-1]]
    words += [word for word in re.split(r"[^a-z]+", bare.name.lower()) if word]
    split = next((SPLIT_ALIASES[word] for word in words if word in SPLIT_ALIASES), None)
    if split is None and bare.suffix.lower() == ".data":
        has_test = any(_uncompressed(other) == bare.with_suffix(".test") for other in paths)
        return "train" if has_test else None
    return split
