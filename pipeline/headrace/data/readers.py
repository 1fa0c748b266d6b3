"""Registry of the readers, which convert a local path to Arrow batches, and the choice of the one for a source."""

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
from headrace.data.image.reading.image_folder import read_folder
from headrace.data.image.reading.image_table import image_schema, load_images
from headrace.data.image.reading.packaged_digits import read_digits, read_mnist5k
from headrace.data.sources.archives.compression import COMPRESSIONS
from headrace.data.sources.image_formats import EXTENSIONS as IMAGE_EXTENSIONS
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.files import (
    DESCRIPTION_EXTENSIONS,
    TABLE_EXTENSIONS,
    find_common_dir,
    find_table_files,
    is_table_file,
)
from headrace.data.table.reading.reader import read_table_files
from headrace.data.table.reading.sklearn_tables import read_breast_cancer, read_diabetes, read_wine
from headrace.data.text.reader import EXTENSIONS as TEXT_EXTENSIONS
from headrace.data.text.reader import is_text_folder, read_text_folder
from headrace.data.text.rows import to_text_batch, to_text_schema
from headrace.errors import DataError, choices


def read_tabular(path: Path, options: ReadOptions) -> OpenedSource:
    """Reads a table from a file, a glob or a folder of shards; rows of text or images are converted to that modality.

    Image paths are relative to the deepest folder that contains all files of the table.
    """
    opened = read_table_files(path, options)
    if opened.spec.modality == "table":
        return opened
    main = next(column for column in opened.spec.columns if column.kind == opened.spec.modality)
    column, others = main.name, [other for other in opened.spec.columns if other is not main]
    spec = opened.spec.model_copy(update={"columns": others, "input_column": main.source_name or main.name})
    if spec.modality == "text":
        return _to_texts(spec, opened, column)
    base = find_common_dir([file.path for file in find_table_files(path, options.source)])
    return _to_images(spec, opened, column, base)


Reader: TypeAlias = Callable[[Path, ReadOptions], OpenedSource]
"""Opens a local path; raises DataError if it cannot be read, possibly only while its batches are consumed."""
READERS: dict[str, Reader] = {
    "folder": read_folder,
    "text_folder": read_text_folder,
    "table": read_tabular,
    "idx": read_idx,
    "cifar": read_cifar,
}
PACKAGED_READERS: dict[str, Reader] = {
    "mnist5k": read_mnist5k,
    "digits": read_digits,
    "wine": read_wine,
    "breast-cancer": read_breast_cancer,
    "diabetes": read_diabetes,
}
"""Built-in dataset without files -> the function that reads it from an installed package; the path is ignored."""
MAX_FILES_INSPECTED = 2000
"""Files of a folder that are inspected to recognize its content."""


def choose_reader(wanted: str, source: str, path: Path) -> str:
    """Returns the name of the reader for `ingest.format`; `auto` depends on the content of `path`.

    Raises DataError if the path does not exist or its content is not recognized.
    """
    where = f"params.yaml: ingest.source: {source!r}"
    if any(mark in path.name for mark in "*?[") and not path.exists():
        return "table" if wanted == "auto" else wanted
    if not path.exists():
        raise DataError(f"{where}: {describe_missing(source, path)}")
    if wanted != "auto":
        return wanted
    if path.is_file():
        if is_table_file(path):
            return "table"
        raise DataError(
            f"{where}: {path.name} is of an unknown kind; tables end in {list(TABLE_EXTENSIONS)}, optionally compressed"
            f" ({list(COMPRESSIONS)}); images, texts and IDX files must be in a folder; or set ingest.format"
        )
    return _guess_folder(path, where)


def describe_missing(source: str, path: Path) -> str:
    """Describes a missing path, which may be a misspelled name of a built-in dataset."""
    if source.replace("-", "").replace("_", "").isalnum():
        return (
            f"not a built-in dataset, and no file or folder {path}; {choices(source, BUILT_INS)}, or give a path or URL"
        )
    return f"no file or folder {path}; give a path, a URL, or one of {sorted(BUILT_INS)}"


def _to_texts(spec: Spec, opened: OpenedSource, column: str) -> OpenedSource:
    schema = to_text_schema(opened.schema, column)
    return OpenedSource(spec, schema, (to_text_batch(rows, column) for rows in opened.batches))


def _to_images(spec: Spec, opened: OpenedSource, column: str, base: Path) -> OpenedSource:
    batches: Iterator[pa.RecordBatch] = load_images(opened.batches, column, base)
    return OpenedSource(spec, image_schema(opened.schema, column), batches)


def _guess_folder(folder: Path, where: str) -> str:
    if is_idx_folder(folder):
        return "idx"
    if is_cifar_folder(folder):
        return "cifar"
    kinds, has_table_on_top = Counter[str](), any(_is_table(path) for path in folder.iterdir() if path.is_file())
    image_folders = set()
    for path in _first_files(folder):
        kind = _kind(path)
        kinds[kind] += 1
        if kind == "folder":
            image_folders.add(path.parent)
    if kinds["folder"]:  # a table next to images without class folders has their labels
        return "table" if has_table_on_top and len(image_folders) == 1 else "folder"
    reader = "text_folder" if not has_table_on_top and is_text_folder(folder) else "table"
    if not kinds["text_folder"] + kinds["table"]:
        others = Counter(path.suffix or "without extension" for path in _first_files(folder))
        got = f"contains {others.total()} files of other kinds ({_format_counts(others)})" if others else "is empty"
        raise DataError(
            f"{where}: {got}; put images or texts in one folder per class, or give a table; or set ingest.format"
        )
    return reader


def _is_table(path: Path) -> bool:
    """By name; descriptions next to images or texts do not count."""
    return is_table_file(path) and path.suffix.lower() not in DESCRIPTION_EXTENSIONS


def _kind(path: Path) -> str:
    extension = path.suffix.lower()
    if extension in IMAGE_EXTENSIONS:
        return "folder"
    if extension in TEXT_EXTENSIONS:
        return "text_folder"
    return "table" if is_table_file(path) else ""


def _first_files(folder: Path) -> Iterator[Path]:
    """Yields the first files below a folder that are not hidden."""
    num_files = 0
    for above, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                yield Path(above) / name
                num_files += 1
            if num_files >= MAX_FILES_INSPECTED:
                return


def _format_counts(others: Counter[str]) -> str:
    return ", ".join(f"{count} {extension}" for extension, count in others.most_common(5))
