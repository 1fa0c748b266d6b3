"""Registry of the readers, which convert a local path to Arrow batches, and the choice of the one for a source."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from headrace.contracts import OpenedSource, Spec
from headrace.data.datasets import BUILT_INS
from headrace.data.image.reading.cifar import is_cifar_folder, read_cifar
from headrace.data.image.reading.embedded_images import to_image_batches
from headrace.data.image.reading.idx import is_idx_folder, read_idx
from headrace.data.image.reading.image_folder import read_folder
from headrace.data.image.reading.image_loader import read_limits
from headrace.data.image.reading.image_table import image_schema, load_images
from headrace.data.image.reading.named_images import (
    join_images,
    may_hold_named_images,
    warn_of_images_beside,
)
from headrace.data.image.reading.npz_images import has_npz_images, read_npz
from headrace.data.image.reading.packaged_digits import read_digits, read_mnist5k
from headrace.data.image.reading.webdataset_images import MEMBERS as IMAGE_MEMBERS
from headrace.data.image.reading.webdataset_images import read_webdataset_images
from headrace.data.sources.archives.compression import COMPRESSIONS
from headrace.data.sources.class_folders import is_ignored
from headrace.data.sources.fetch import GLOB
from headrace.data.sources.image_formats import EXTENSIONS as IMAGE_EXTENSIONS
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.webdataset import has_members, is_webdataset
from headrace.data.table.reading.files import (
    DESCRIPTION_EXTENSIONS,
    TABLE_EXTENSIONS,
    find_common_dir,
    find_table_files,
    is_table_file,
)
from headrace.data.table.reading.files import FORMATS as FILE_FORMATS
from headrace.data.table.reading.folders.annotations import is_annotations
from headrace.data.table.reading.folders.text_lines import find_class_files
from headrace.data.table.reading.folders.unread_formats import find_remedy
from headrace.data.table.reading.reader import read_table_files
from headrace.data.table.reading.sklearn_tables import read_breast_cancer, read_diabetes, read_wine
from headrace.data.text.reader import EXTENSIONS as TEXT_EXTENSIONS
from headrace.data.text.reader import is_text_folder, read_text_folder
from headrace.data.text.rows import to_text_batch, to_text_schema
from headrace.data.text.webdataset_texts import read_webdataset_texts
from headrace.errors import DataError, choices
from headrace.storage.column_names import to_stored_name


def read_tabular(path: Path, options: ReadOptions) -> OpenedSource:
    """Reads a table from a file, a glob or a folder of shards; rows of text or images are converted to that modality.

    Image paths are relative to the deepest folder that contains all files of the table.
    """
    files = find_table_files(path, options.source)
    opened = read_table_files(path, options, files)
    paths = [file.path for file in files]
    if path.is_dir() and "image" not in opened.schema.names:
        opened = join_images(opened, path, paths)
    elif path.is_file() and "image" not in opened.schema.names:
        opened = warn_of_images_beside(opened, path)
    if opened.spec.modality == "table":
        return opened
    main = next(column for column in opened.spec.columns if column.kind == opened.spec.modality)
    column, others = to_stored_name(main.name), [other for other in opened.spec.columns if other is not main]
    spec = opened.spec.model_copy(update={"columns": others, "input_column": main.name})
    if spec.modality == "text":
        return _to_texts(spec, opened, column)
    if "image" in opened.schema.names:  # the images themselves, not their names
        return OpenedSource(spec, image_schema(opened.schema, column), to_image_batches(opened.batches, column))
    base = find_common_dir(paths)
    limits = read_limits(options, path if path.is_dir() else base)
    batches = load_images(opened.batches, column, base, limits)
    return OpenedSource(spec, image_schema(opened.schema, column), batches, opened.finish)


def read_webdataset(path: Path, options: ReadOptions) -> OpenedSource:
    """Reads tar shards of WebDataset, or their unpacked files: images if there are any, otherwise texts."""
    has_images = has_members(path, IMAGE_MEMBERS, f"params.yaml: ingest.source: {options.source!r}")
    return (read_webdataset_images if has_images else read_webdataset_texts)(path, options)


Reader: TypeAlias = Callable[[Path, ReadOptions], OpenedSource]
"""Opens a local path; raises DataError if it cannot be read, possibly only while its batches are consumed."""
READERS: dict[str, Reader] = {
    "folder": read_folder,
    "text_folder": read_text_folder,
    "table": read_tabular,
    "idx": read_idx,
    "cifar": read_cifar,
    "npz": read_npz,
    "webdataset": read_webdataset,
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
    if GLOB.search(source) and not path.exists():
        return wanted if wanted != "auto" else "webdataset" if is_webdataset(path) else "table"
    if not path.exists():
        raise DataError(f"{where}: {describe_missing(source, path)}")
    if wanted != "auto":
        return wanted
    if has_npz_images(path, where):
        return "npz"
    if is_webdataset(path):
        return "webdataset"
    if path.is_file():
        if is_table_file(path):
            return "table"
        _refuse_unread([path], where)
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
        is_unclassed = may_hold_named_images(folder, image_folders)
        return "table" if is_unclassed and _has_table_beside(folder, image_folders) else "folder"
    if find_class_files(_first_files(folder), FILE_FORMATS):
        return "table"
    reader = "text_folder" if not has_table_on_top and is_text_folder(folder) else "table"
    if not kinds["text_folder"] + kinds["table"]:
        _refuse_unread(_first_files(folder), where)
        others = Counter(path.suffix or "without extension" for path in _first_files(folder))
        got = f"contains {others.total()} files of other kinds ({_format_counts(others)})" if others else "is empty"
        raise DataError(
            f"{where}: {got}; put images or texts in one folder per class, or give a table; or set ingest.format"
        )
    return reader


def _refuse_unread(paths: Iterable[Path], where: str) -> None:
    """Raises DataError for a known format that is not read."""
    if remedy := find_remedy(paths):
        raise DataError(f"{where}: {remedy}")


def _has_table_beside(folder: Path, image_folders: Collection[Path]) -> bool:
    """Whether a table is at the top, or in a folder without images, such as `annotations`."""
    return any(
        path.parent == folder or path.parent not in image_folders for path in _first_files(folder) if _is_table(path)
    )


def _is_table(path: Path) -> bool:
    """By name; descriptions next to images or texts do not count."""
    return is_annotations(path) or (is_table_file(path) and path.suffix.lower() not in DESCRIPTION_EXTENSIONS)


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
        folders[:] = sorted(name for name in folders if not is_ignored(name))
        for name in names:
            if not is_ignored(name):
                yield Path(above) / name
                num_files += 1
            if num_files >= MAX_FILES_INSPECTED:
                return


def _format_counts(others: Counter[str]) -> str:
    return ", ".join(f"{count} {extension}" for extension, count in others.most_common(5))
