"""Joins a table to the images of its folder, which a column names: `0a3f`, `0a3f.jpg`, wherever the files are."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa

from headrace.contracts import Assumption, Column, OpenedSource, Spec
from headrace.data.sources.class_folders import get_extension, list_files
from headrace.data.sources.image_formats import EXTENSIONS, MIN_IMAGES
from headrace.data.sources.transfer.urls import get_scheme
from headrace.errors import DataError
from headrace.storage.column_names import to_stored_name

MIN_MATCHES = 0.5
"""Fraction of the first cells that name images, from which on a column is the one that does."""
MIN_DISTINCT = 0.9
"""Fraction of them that differ: a column of ages may match `32.jpg` too."""
IMAGE_NAME = re.compile(r"(?i)image|img|photo|picture|file|path")
COLLECTION = re.compile(
    r"(?i)image|img|photo|picture|(^|[^a-z])(train|training|val|valid|validation|test|jpe?gs?|pngs?)([^a-z]|$)"
)
"""Names of folders of images that are no classes."""
UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""
SPLITS = ("train", "val", "test")
MAX_ENTRIES, MAX_FOLDERS = 2000, 20
"""Of those beside a table that are searched for images."""


class ImageNames:
    """The images below a folder, by their names with and without extension and folders."""

    def __init__(self, folder: Path, hint: str) -> None:
        """`hint`: the name of the table; that of a split names images in folders of that split, if there are any."""
        paths = [path for path in list_files(folder) if get_extension(path) in EXTENSIONS]
        splits = [split for split in SPLITS if split in hint.lower()]
        self.paths = [path for path in paths if any(split in path.lower() for split in splits)] or paths
        self._by_name: dict[str, list[str]] = {}
        for path in self.paths:
            name = path.rpartition("/")[2]
            for key in {path, name, os.path.splitext(name)[0]}:  # noqa: PTH122 - 10 times faster than Path
                self._by_name.setdefault(key, []).append(path)

    def __contains__(self, cell: str | None) -> bool:
        return cell is not None and (cell in self._by_name or UPLOAD_PREFIX.sub("", cell) in self._by_name)

    def find(self, cell: str) -> str | None:
        """Returns the path of the image that a cell names, or None; raises DataError if there are several."""
        paths = self._by_name.get(cell) or self._by_name.get(UPLOAD_PREFIX.sub("", cell), [])
        if len(paths) > 1:
            raise DataError(
                f"params.yaml: ingest.source: {cell!r} is the name of {len(paths)} images, {paths[0]} and {paths[1]};"
                " write their folders into the table, or move some away"
            )
        return paths[0] if paths else None


def may_hold_named_images(folder: Path, image_folders: Collection[Path]) -> bool:
    """Whether the folders of images below `folder` are all of them, or those of splits, rather than classes."""
    return len(image_folders) == 1 or all(COLLECTION.search(each.name) for each in image_folders if each != folder)


def join_images(opened: OpenedSource, folder: Path, files: list[Path]) -> OpenedSource:
    """Returns the table with the paths of images below `folder` in place of names, as rows of images.

    Unchanged if no column names images; a warning is added then, if there are some. `files`: those of the table. Raises
    DataError, while rows are read, for a name that several images have.
    """
    base = Path(os.path.commonpath([path.parent for path in files]))
    images = ImageNames(folder, files[0].name)
    first = next(opened.batches, None) if images.paths else None
    if first is None:
        return opened
    opened = opened._replace(batches=chain([first], opened.batches))
    column = _choose_column(first, images, opened.spec, base)
    if column is None:
        return _warn_of_unused(opened, images)
    name, stored = column.name, to_stored_name(column.name)
    join = _Join(images, stored, os.path.relpath(folder, base))
    example = next(cell for cell in first.column(stored).to_pylist() if cell in images)
    text = f"the image of a row is the file that its column {name!r} names: {example} is {images.find(example)}"
    remark = Assumption(stage="ingest", subject="images", text=text, setting=f"ingest.columns: {{{name}: ignore}}")
    columns = [
        each.model_copy(update={"kind": "image"}) if each.name == column.name else each for each in opened.spec.columns
    ]
    spec = opened.spec.model_copy(
        update={"modality": "image", "columns": columns, "assumptions": [*opened.spec.assumptions, remark]}
    )
    return OpenedSource(spec, opened.schema, map(join.apply, opened.batches), join.finish)


def _warn_of_unused(opened: OpenedSource, images: ImageNames) -> OpenedSource:
    if opened.spec.modality == "image" or len(images.paths) < MIN_IMAGES:
        return opened
    text = f"no column names the {len(images.paths):,} images, such as {images.paths[0]}; they are not learned from"
    remark = Assumption(
        stage="ingest", subject="images", text=text, setting="a column with the names of the files", is_warning=True
    )
    spec = opened.spec.model_copy(update={"assumptions": [*opened.spec.assumptions, remark]})
    return opened._replace(spec=spec)


def warn_of_images_beside(opened: OpenedSource, file: Path) -> OpenedSource:
    """Adds a warning if a table names images of its folder or the folders in it, which are not part of the source."""
    if opened.spec.modality == "image":
        return opened
    names = {os.path.splitext(name)[0]: name for name in _list_images_beside(file.parent)}  # noqa: PTH122
    first = next(opened.batches, None) if len(names) >= MIN_IMAGES else None
    if first is None:
        return opened
    opened = opened._replace(batches=chain([first], opened.batches))
    for column in opened.spec.columns:
        stored = to_stored_name(column.name)
        cells = set(first.column(stored).to_pylist()) - {None} if stored in first.schema.names else set()
        named = [cell for cell in cells if names.get(os.path.splitext(str(cell))[0])]  # noqa: PTH122
        if len(cells) >= MIN_DISTINCT * first.num_rows and len(named) >= MIN_MATCHES * len(cells) > 0:
            text = f"column {column.name!r} names images beside {file.name}, which are not learned from"
            remark = Assumption(
                stage="ingest", subject="images", text=text, setting="ingest.source: the folder", is_warning=True
            )
            update = {"assumptions": [*opened.spec.assumptions, remark]}
            return opened._replace(spec=opened.spec.model_copy(update=update))
    return opened


def _list_images_beside(folder: Path) -> Iterator[str]:
    """The names of images in a folder and in those in it, of the first MAX_ENTRIES entries of each."""
    places = [folder]
    for place in places:
        with suppress(OSError), os.scandir(place) as entries:
            for entry in islice(entries, MAX_ENTRIES):
                if place == folder and entry.is_dir() and len(places) < MAX_FOLDERS:
                    places.append(Path(entry.path))
                elif get_extension(entry.name) in EXTENSIONS:
                    yield entry.name


def resolve_names(cells: Iterable[str | None], base: Path, find_images: Callable[[], ImageNames]) -> list[str | None]:
    """Returns the paths of the images that cells name; cells that are paths or URLs, or name none, are unchanged."""
    return [cell if cell is None or _is_path(cell, base) else find_images().find(cell) or cell for cell in cells]


class _Join:
    """Replaces names by paths, and remembers the images that were named."""

    def __init__(self, images: ImageNames, column: str, prefix: str) -> None:
        self._images, self._column, self._prefix = images, column, "" if prefix == "." else f"{prefix}/"
        self._used: set[str] = set()

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        index = batch.schema.get_field_index(self._column)
        return batch.set_column(
            index, batch.schema.field(index), pa.array(self._find(batch.column(index)), pa.string())
        )

    def finish(self, folder: Path, spec: Spec) -> Spec:
        """Adds a remark about the images that no row names."""
        del folder
        unused = [path for path in self._images.paths if path not in self._used]
        if not unused:
            return spec
        text = f"{len(unused):,} of {len(self._images.paths):,} images are named by no row, such as {unused[0]}"
        remark = Assumption(
            stage="ingest", subject="images", text=text, setting="rows for them in the table", is_warning=True
        )
        return spec.model_copy(update={"assumptions": [*spec.assumptions, remark]})

    def _find(self, cells: pa.Array) -> Iterator[str | None]:
        for cell in cells.to_pylist():
            path = self._images.find(cell) if cell else None
            if path is None:
                yield cell  # there is no such file, as loading it reports
            else:
                self._used.add(path)
                yield self._prefix + path


def _choose_column(first: pa.RecordBatch, images: ImageNames, spec: Spec, base: Path) -> Column | None:
    """The column whose cells name most images; None if they are paths already."""
    if spec.modality == "image":
        candidates = [column for column in spec.columns if column.kind == "image"]
        if any(_is_path(cell, base) for cell in first.column(to_stored_name(candidates[0].name)).to_pylist()):
            return None
    elif spec.modality == "text":  # ids of letters look like words
        candidates = [column for column in spec.columns if column.kind == "text"][:1]
    else:
        candidates = [column for column in spec.columns if to_stored_name(column.name) in first.schema.names]
    shares = {
        column.name: _match(first.column(to_stored_name(column.name)), column.name, images) for column in candidates
    }
    best = max(candidates, key=lambda column: shares[column.name], default=None)
    return best if best is not None and shares[best.name] >= MIN_MATCHES else None


def _is_path(cell: str | None, base: Path) -> bool:
    return cell is not None and (get_scheme(cell) is not None or os.path.isfile(os.path.join(base, cell)))  # noqa: PTH113, PTH118


def _match(cells: pa.Array, name: str, images: ImageNames) -> float:
    """The fraction of the cells that name an image; 0 if many name the same and the column is not called after it."""
    names = cells.to_pylist()
    if len(set(names)) < MIN_DISTINCT * len(names) and not IMAGE_NAME.search(name):
        return 0.0
    return sum(each in images for each in names) / max(len(names), 1)
