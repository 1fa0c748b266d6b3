"""CIFAR-10 and CIFAR-100 as published, the binary and the Python version: 32 x 32 pixels in colour.

Formats: https://www.cs.toronto.edu/~kriz/cifar.html. A binary row is one byte of label (CIFAR-100: two, coarse and
fine) and 3072 bytes of pixels: red, then green, then blue, each in row-major order. The Python version is pickled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.contracts import OpenedSource
from headrace.data.image.reading.cifar_pickle import load_cifar_pickle
from headrace.data.image.reading.rows import BATCH_ROWS, ContentIds, encode_png, open_image_source, to_record_batches
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.row_source import SOURCE, format_index
from headrace.errors import DataError

SIDE_PX = 32
IMAGE_BYTES = 3 * SIDE_PX * SIDE_PX


class Layout(NamedTuple):
    """One of the published versions."""

    files: re.Pattern[str]
    """Names of the files with rows; those that begin with `test` are the official test split."""
    names_file: str
    """File with the class names, in the order of their labels."""
    label_bytes: int = 0
    """Binary: bytes before the pixels; the last of them is the label."""
    names_key: bytes = b""
    """Python: key of the class names in `names_file`."""
    labels_key: bytes = b""
    """Python: key of the labels in a file of rows."""


LAYOUTS = (
    Layout(re.compile(r"(data_batch_\d+|test_batch)\.bin"), "batches.meta.txt", label_bytes=1),
    Layout(re.compile(r"(train|test)\.bin"), "fine_label_names.txt", label_bytes=2),
    Layout(re.compile(r"data_batch_\d+|test_batch"), "batches.meta", names_key=b"label_names", labels_key=b"labels"),
    Layout(re.compile(r"train|test"), "meta", names_key=b"fine_label_names", labels_key=b"fine_labels"),
)


def is_cifar_folder(path: Path) -> bool:
    """Whether a folder has files named as in a published version: rows and class names."""
    return path.is_dir() and _find_layout(path) is not None


def read_cifar(path: Path, options: ReadOptions) -> OpenedSource:
    """CIFAR-10 or CIFAR-100 with its official splits, labelled with the (fine) class names."""
    where = f"params.yaml: ingest.source: {options.source!r}"
    layout = _find_layout(path)
    if layout is None:
        raise DataError(
            f"{where}: is not a CIFAR folder; one has files such as data_batch_1.bin and batches.meta.txt; unpack a"
            " published archive there"
        )
    classes = _read_classes(path / layout.names_file, layout)
    return open_image_source("cifar", _read_batches(_row_files(path, layout), layout, classes), options)


def _find_layout(path: Path) -> Layout | None:
    layouts = (layout for layout in LAYOUTS if (path / layout.names_file).is_file() and _row_files(path, layout))
    return next(layouts, None)


def _row_files(path: Path, layout: Layout) -> list[Path]:
    """Files with train rows, then files with test rows."""
    files = [file for file in path.iterdir() if layout.files.fullmatch(file.name) and file.is_file()]
    return sorted(files, key=lambda file: (_is_test(file.name), file.name))


def _is_test(name: str) -> bool:
    return name.startswith("test")


def _read_classes(path: Path, layout: Layout) -> list[str]:
    if layout.names_key:
        names = [name for name in _get_list(load_cifar_pickle(path), layout.names_key, path) if isinstance(name, bytes)]
    else:
        try:
            names = path.read_bytes().split(b"\n")
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); fetch the file again") from None
    classes = [text for text in (name.decode("latin-1").strip() for name in names) if text]
    if len(set(classes)) < max(2, len(classes)):
        raise DataError(f"{path}: names {len(classes)} classes; two or more, all different, are needed; fetch it again")
    return classes


def _read_batches(files: Sequence[Path], layout: Layout, classes: Sequence[str]) -> Iterator[pa.RecordBatch]:
    ids = ContentIds()
    for path in files:
        rows = _pickled_rows(path, layout) if layout.labels_key else _binary_rows(path, layout)
        image_rows = (
            {**_image_row(*row, path, classes, ids), SOURCE: format_index(path.name, index)}
            for index, row in enumerate(rows)
        )
        yield from to_record_batches(image_rows)


def _image_row(pixels: bytes, label: int, path: Path, classes: Sequence[str], ids: ContentIds) -> dict[str, Any]:
    if not 0 <= label < len(classes):
        raise DataError(f"{path}: has a label {label}, but {len(classes)} classes have names; fetch the files again")
    name = classes[label]
    image = np.frombuffer(pixels, np.uint8).reshape(3, SIDE_PX, SIDE_PX).transpose(1, 2, 0)
    split = "test" if _is_test(path.name) else "train"
    return {"row_id": ids.next_id(pixels, name), "image": encode_png(image), "label": name, "split": split}


def _binary_rows(path: Path, layout: Layout) -> Iterator[tuple[bytes, int]]:
    """Yields pixels and label of each row, with BATCH_ROWS rows in memory at a time."""
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
    values = load_cifar_pickle(path)
    labels, pixels = _get_list(values, layout.labels_key, path), values.get(b"data")
    if not isinstance(pixels, np.ndarray) or pixels.shape[1:] != (IMAGE_BYTES,):
        got = f"has the shape {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else "is not an array"
        raise DataError(f"{path}: b'data' {got}; must be an array [rows, {IMAGE_BYTES}]; fetch the file again")
    if len(labels) != len(pixels):
        raise DataError(f"{path}: holds {len(pixels)} images and {len(labels)} labels; fetch the file again")
    for row, label in zip(pixels, labels, strict=True):
        if not isinstance(label, int):
            raise DataError(f"{path}: has a label that is not an integer; fetch the file again")
        yield row.tobytes(), label


def _get_list(values: dict[bytes, Any], key: bytes, path: Path) -> list[Any]:
    value = values.get(key)
    if not isinstance(value, list):
        raise DataError(f"{path}: has no list {key!r}; its keys are {sorted(values)[:5]}; fetch the file again")
    return value
