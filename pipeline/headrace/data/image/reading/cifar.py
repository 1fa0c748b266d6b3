"""CIFAR-10 and CIFAR-100 as published, the binary and the Python version: 32 x 32 pixels, by channel.

Formats: https://www.cs.toronto.edu/~kriz/cifar.html. A binary row is one label's byte (CIFAR-100: two, coarse and fine)
and 3072 of pixels: red, then green, then blue, each row by row. The Python version is pickled; see `plain_pickle`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import index
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.contracts import OpenedSource
from headrace.data.image.reading.image_folder import opened
from headrace.data.image.reading.plain_pickle import NotPlainError, read_plain
from headrace.data.image.reading.rows import BATCH_ROWS, batches, png, row_id
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import DataError

SIDE_PX = 32
IMAGE_BYTES = 3 * SIDE_PX * SIDE_PX
LARGEST_PICKLE_BYTES = 2**30
"""Published are at most 155 MB; it is held in memory as a whole."""


class Layout(NamedTuple):
    """One of the published versions."""

    files: re.Pattern[str]
    """Names of the files of rows; those that begin with `test` are the official test split."""
    names_file: str
    """Names of the classes, in the order of their labels."""
    label_bytes: int = 0
    """Binary: bytes before the pixels, the last of which is the label."""
    names_key: str = ""
    """Python: where `names_file` keeps the names."""
    labels_key: str = ""
    """Python: where a file of rows keeps the labels."""


LAYOUTS = (
    Layout(re.compile(r"(data_batch_\d+|test_batch)\.bin"), "batches.meta.txt", label_bytes=1),
    Layout(re.compile(r"(train|test)\.bin"), "fine_label_names.txt", label_bytes=2),
    Layout(re.compile(r"data_batch_\d+|test_batch"), "batches.meta", names_key="label_names", labels_key="labels"),
    Layout(re.compile(r"train|test"), "meta", names_key="fine_label_names", labels_key="fine_labels"),
)


def is_cifar_folder(path: Path) -> bool:
    """Whether a folder holds files named like a published version: rows and the names of their classes."""
    return path.is_dir() and _layout(path) is not None


def read_cifar(path: Path, options: ReadOptions) -> OpenedSource:
    """CIFAR-10 or CIFAR-100 with its official splits, labelled with the names of its classes (the fine ones)."""
    where = f"params.yaml: ingest.source: {options.source!r}"
    layout = _layout(path)
    if layout is None:
        raise DataError(
            f"{where}: holds no CIFAR; a version has files such as data_batch_1.bin beside batches.meta.txt; unpack"
            " one there"
        )
    classes = _classes(path / layout.names_file, layout)
    return opened("cifar", _batches(_files(path, layout), layout, classes), options)


def _layout(path: Path) -> Layout | None:
    found = (layout for layout in LAYOUTS if (path / layout.names_file).is_file() and _files(path, layout))
    return next(found, None)


def _files(path: Path, layout: Layout) -> list[Path]:
    """Files of rows: the train rows, then the test rows."""
    found = [file for file in path.iterdir() if layout.files.fullmatch(file.name) and file.is_file()]
    return sorted(found, key=lambda file: (_is_test(file.name), file.name))


def _is_test(name: str) -> bool:
    return name.startswith("test")


def _classes(path: Path, layout: Layout) -> list[str]:
    if layout.names_key:
        names = _unpickled(path, layout.names_key)[layout.names_key]
        texts = [name.decode("latin-1") if isinstance(name, bytes) else name for name in names]
    else:
        texts = _bytes(path).decode("latin-1").split("\n")
    classes = [text.strip() for text in texts if isinstance(text, str) and text.strip()]
    if len(set(classes)) < max(2, len(classes)):
        raise DataError(f"{path}: names {len(classes)} classes; at least two different ones are needed; fetch it again")
    return classes


def _batches(files: Sequence[Path], layout: Layout, classes: Sequence[str]) -> Iterator[pa.RecordBatch]:
    seen: Counter[bytes] = Counter()
    for path in files:
        rows = _pickled_rows(path, layout) if layout.labels_key else _binary_rows(path, layout)
        split = "test" if _is_test(path.name) else "train"
        yield from batches(_row(*row, path, classes, split, seen) for row in rows)


def _row(
    pixels: bytes, label: int, path: Path, classes: Sequence[str], split: str, seen: Counter[bytes]
) -> dict[str, Any]:

    if not 0 <= label < len(classes):
        raise DataError(f"{path}: has a label {label}, but {len(classes)} classes have names; fetch the files again")
    name = classes[label]
    # as for IDX: of the pixels and the label, so that a row has the same id in both versions, wherever it stands
    content = pixels + name.encode()
    image = np.frombuffer(pixels, np.uint8).reshape(3, SIDE_PX, SIDE_PX).transpose(1, 2, 0)
    row = {"row_id": row_id(content, seen[content]), "image": png(image), "label": name, "split": split}
    seen[content] += 1
    return row


def _binary_rows(path: Path, layout: Layout) -> Iterator[tuple[bytes, int]]:
    """Pixels and label of each row, BATCH_ROWS of them in memory at a time."""
    row_bytes = layout.label_bytes + IMAGE_BYTES
    try:
        with path.open("rb") as file:
            while data := file.read(BATCH_ROWS * row_bytes):
                if len(data) % row_bytes:
                    raise DataError(
                        f"{path}: ends {len(data) % row_bytes} bytes into a row of {row_bytes}; fetch the file again"
                    )
                for start in range(0, len(data), row_bytes):
                    pixels_start = start + layout.label_bytes
                    yield data[pixels_start : start + row_bytes], data[pixels_start - 1]
            if file.tell() == 0:
                raise DataError(f"{path}: is empty; fetch the file again")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); fetch the file again") from None


def _pickled_rows(path: Path, layout: Layout) -> Iterator[tuple[bytes, int]]:

    values = _unpickled(path, "data", layout.labels_key)
    pixels, labels = values["data"], values[layout.labels_key]
    shape = getattr(pixels, "shape", ())
    if shape[1:] != (IMAGE_BYTES,) or pixels.dtype != np.uint8:
        got = f"an array {list(shape)} of {pixels.dtype}" if shape else "no array"
        raise DataError(f"{path}: its data are {got}; [rows, {IMAGE_BYTES}] of uint8 are read; fetch the file again")
    if len(labels) != len(pixels):
        raise DataError(f"{path}: holds {len(pixels)} images and {len(labels)} labels; fetch the file again")
    for row, label in zip(pixels, labels, strict=True):
        try:
            yield row.tobytes(), index(label)
        except TypeError:
            raise DataError(f"{path}: has a label that is no whole number; fetch the file again") from None


def _unpickled(path: Path, *keys: str) -> dict[str, Any]:
    """The values of a pickled file, which has `keys`: sequences."""
    try:
        values = read_plain(_bytes(path))
    except NotPlainError as error:
        raise DataError(f"{path}: not read: {error}; fetch the file again") from None
    for key in keys:
        if not hasattr(values.get(key), "__len__") or isinstance(values[key], str | bytes):
            raise DataError(f"{path}: has no list {key!r}, but {sorted(values)[:5]}; fetch the file again")
    return values


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST_PICKLE_BYTES:
            raise DataError(
                f"{path}: has {size} bytes; at most {LARGEST_PICKLE_BYTES} are read at once; take the binary version"
            )
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); fetch the file again") from None
