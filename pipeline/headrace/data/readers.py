"""Which reader reads a source. READERS: name -> function from a local path to Arrow batches.

Tables as what their columns are of: rows of a table, of texts, or of images that they name.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from headrace.contracts import OpenedSource, Spec
from headrace.data.datasets import BUILT_INS
from headrace.data.image.reading.cifar import is_cifar_folder, read_cifar
from headrace.data.image.reading.idx import is_idx_folder, read_idx
from headrace.data.image.reading.image_folder import EXTENSIONS as IMAGE_EXTENSIONS
from headrace.data.image.reading.image_folder import read_folder
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.files import NOTES, TABLE_EXTENSIONS, base_dir, find_files, is_table_file
from headrace.data.table.reading.reader import read_table_files
from headrace.data.text.reader import EXTENSIONS as TEXT_EXTENSIONS
from headrace.data.text.reader import is_text_folder, read_text_folder
from headrace.errors import ConfigError, DataError, choices


def read_tabular(path: Path, options: ReadOptions) -> OpenedSource:
    """A file, a glob or a folder of shards, read as `read_table_files` does; its rows are as their modality has them.

    Paths of images are relative to the folder that all of the table's files lie in.
    """
    opened = read_table_files(path, options)
    if opened.spec.modality == "table":
        return opened
    column = next(column.name for column in opened.spec.columns if column.kind == opened.spec.modality)
    spec = opened.spec.model_copy(update={"columns": [c for c in opened.spec.columns if c.name != column]})
    if spec.modality == "text":
        return _texts(spec, opened, column)
    return _images(spec, opened, column, base_dir([file.path for file in find_files(path, options.source)]))


def _texts(spec: Spec, opened: OpenedSource, column: str) -> OpenedSource:
    from headrace.data.text.rows import to_text_batch, to_text_schema

    schema = to_text_schema(opened.schema, column)
    return OpenedSource(spec, schema, (to_text_batch(rows, column) for rows in opened.batches))


def _images(spec: Spec, opened: OpenedSource, column: str, base: Path) -> OpenedSource:
    from headrace.data.image.reading.image_table import image_schema, load_images

    batches: Iterator[pa.RecordBatch] = load_images(opened.batches, column, base)
    return OpenedSource(spec, image_schema(opened.schema, column), batches)


Reader: TypeAlias = Callable[[Path, ReadOptions], OpenedSource]
"""Looks into a local path; raises DataError for what cannot be read, also later, while its batches are drawn."""
READERS: dict[str, Reader] = {
    "folder": read_folder,
    "text_folder": read_text_folder,
    "table": read_tabular,
    "idx": read_idx,
    "cifar": read_cifar,
}
FILES_LOOKED_AT = 2000
"""Of a folder, to tell what it holds."""


def check_format(wanted: str, source: str) -> None:
    """Raises ConfigError for a format that is not known, or one that contradicts the source."""
    if wanted not in {"auto", *READERS, *BUILT_INS}:
        raise ConfigError(
            f"params.yaml: ingest.format: {wanted!r} is no format; {choices(wanted, ['auto', *READERS, *BUILT_INS])}"
        )
    is_packaged = wanted in BUILT_INS and not BUILT_INS[wanted].files
    if is_packaged and source != wanted:
        raise ConfigError(
            f"params.yaml: ingest.format: {wanted!r} is a built-in set, but ingest.source is {source!r};"
            f" set ingest.source: {wanted}, or ingest.format: auto"
        )


def find_reader(wanted: str, source: str, path: Path) -> str:
    """The name of the reader that `ingest.format` asks for; `auto` picks by what lies at `path`.

    Raises DataError for a path that is not there, or that holds nothing that is known.
    """
    where = f"params.yaml: ingest.source: {source!r}"
    if any(mark in path.name for mark in "*?[") and not path.exists():
        return "table" if wanted == "auto" else wanted
    if not path.exists():
        raise DataError(f"{where}: {missing(source, path)}")
    if wanted != "auto":
        return wanted
    if path.is_file():
        if is_table_file(path):
            return "table"
        raise DataError(
            f"{where}: {path.name} is of no kind that is known; tables end in {list(TABLE_EXTENSIONS)} (or packed:"
            " .gz, .bz2, .xz, .zst); images, texts and IDX files lie in a folder; or set ingest.format"
        )
    return _guess_folder(path, where)


def missing(source: str, path: Path) -> str:
    """What to say of a path that is not there: it may have been meant as a name."""
    if source.replace("-", "").replace("_", "").isalnum():
        return f"no built-in set, and no file or folder {path}; {choices(source, BUILT_INS)}, or give a path or URL"
    return f"no file or folder {path}; give a path, a URL, or one of {sorted(BUILT_INS)}"


def _guess_folder(folder: Path, where: str) -> str:
    if is_idx_folder(folder):
        return "idx"
    if is_cifar_folder(folder):
        return "cifar"
    kinds, has_table_on_top = Counter[str](), any(_is_table(path) for path in folder.iterdir() if path.is_file())
    image_folders = set()
    for path in _some_files(folder):
        kind = _kind(path)
        kinds[kind] += 1
        if kind == "folder":
            image_folders.add(path.parent)
    if kinds["folder"]:  # a table beside images that lie in no folders of classes tells their labels
        return "table" if has_table_on_top and len(image_folders) == 1 else "folder"
    found = "text_folder" if not has_table_on_top and is_text_folder(folder) else "table"
    if not kinds["text_folder"] + kinds["table"]:
        others = Counter(path.suffix or "without extension" for path in _some_files(folder))
        got = "is empty" if not others else f"holds {others.total()} files of other kinds ({_listed(others)})"
        raise DataError(
            f"{where}: {got}; put images or texts in one folder a class, or give a table; or set ingest.format"
        )
    return found


def _is_table(path: Path) -> bool:
    """By name; loose notes beside images or texts are none."""
    return is_table_file(path) and path.suffix.lower() not in NOTES


def _kind(path: Path) -> str:
    extension = path.suffix.lower()
    if extension in IMAGE_EXTENSIONS:
        return "folder"
    if extension in TEXT_EXTENSIONS:
        return "text_folder"
    return "table" if is_table_file(path) else ""


def _some_files(folder: Path) -> Iterator[Path]:
    """The first files below a folder that are not hidden."""
    seen = 0
    for above, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                yield Path(above) / name
                seen += 1
            if seen >= FILES_LOOKED_AT:
                return


def _listed(others: Counter[str]) -> str:
    return ", ".join(f"{count} {extension}" for extension, count in others.most_common(5))
