"""IDX files, as MNIST is published: `train-images-idx3-ubyte.gz` beside `train-labels-idx1-ubyte.gz`.

Format: http://yann.lecun.com/exdb/mnist (two zero bytes, type 8 for uint8, number of dimensions, then each dimension
as a big-endian 32-bit integer, then the values).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import pyarrow as pa

from headrace.contracts import OpenedSource
from headrace.data.image.reading.image_folder import opened
from headrace.data.image.reading.rows import BATCH_ROWS, batches, png, row_id
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import DataError

IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
UINT8 = 8
LARGEST_IMAGE_PX = 2**20
"""More is a damaged header: it would be asked for in one piece."""
SPLITS = {"train": "train", "t10k": "test", "test": "test", "val": "val"}
"""Official split by what stands before the first hyphen of a file's name."""


class Pair(NamedTuple):
    """Images and their labels."""

    images: Path
    labels: Path
    split: str | None


def is_idx_folder(folder: Path) -> bool:
    """Whether a folder holds IDX images (by name)."""
    return folder.is_dir() and any(_holds_images(path) for path in folder.iterdir())


def read_idx(path: Path, options: ReadOptions) -> OpenedSource:
    """IDX files of images and labels in a folder, packed by gzip or not; the official splits by their names."""
    return opened("idx", _batches(_pairs(path, f"params.yaml: ingest.source: {options.source!r}")), options)


def _batches(pairs: list[Pair]) -> Iterator[pa.RecordBatch]:
    seen: Counter[bytes] = Counter()
    for pair in pairs:
        yield from batches(_rows(pair, seen))


def _holds_images(path: Path) -> bool:
    """By name; a download's notes beside it are hidden and end otherwise."""
    return path.name.removesuffix(".gz").endswith(IMAGES) and not path.name.startswith(".")


def _pairs(folder: Path, where: str) -> list[Pair]:
    pairs = []
    image_paths = sorted(path for path in folder.iterdir() if _holds_images(path))
    if not image_paths:
        raise DataError(f"{where}: holds no file named like train-{IMAGES} or train-{IMAGES}.gz; put them there")
    for images in image_paths:
        names = [images.name.replace(IMAGES, LABELS), images.name.replace(IMAGES, LABELS).removesuffix(".gz")]
        labels = next((folder / name for name in [*names, f"{names[-1]}.gz"] if (folder / name).is_file()), None)
        if labels is None:
            raise DataError(f"{where}: {images.name} has no {names[0]} beside it; put it there")
        pairs.append(Pair(images, labels, SPLITS.get(images.name.partition("-")[0])))
    return pairs


def _rows(pair: Pair, seen: Counter[bytes]) -> Iterator[dict[str, Any]]:
    with _opened(pair.images) as images, _opened(pair.labels) as labels:
        num_rows, height, width = _header(images, pair.images, num_dimensions=3)
        (num_labels,) = _header(labels, pair.labels, num_dimensions=1)
        if height * width > LARGEST_IMAGE_PX:
            raise DataError(
                f"{pair.images}: images of {height} x {width} pixels; at most {LARGEST_IMAGE_PX} pixels are read; "
                "fetch the file again"
            )
        if num_rows != num_labels:
            raise DataError(
                f"{pair.images}: holds {num_rows} images, {pair.labels.name} {num_labels} labels; take files of one set"
            )
        for start in range(0, num_rows, BATCH_ROWS):
            count = min(BATCH_ROWS, num_rows - start)
            pixels = _read(images, count * height * width, pair.images)
            for index, label in enumerate(_read(labels, count, pair.labels)):
                image = pixels[index * height * width : (index + 1) * height * width]
                yield _row(image, (height, width), str(label), pair.split, seen)


def _row(image: bytes, size: tuple[int, int], label: str, split: str | None, seen: Counter[bytes]) -> dict[str, Any]:

    # as for the built-in set: of the pixels and the label, so that a row has the same id wherever it stands
    content = image + label.encode()
    row = {
        "row_id": row_id(content, seen[content]),
        "image": png(np.frombuffer(image, np.uint8).reshape(size)),
        "label": label,
        "split": split,
    }
    seen[content] += 1
    return row


def _opened(path: Path) -> BinaryIO:
    try:
        return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); fetch the file again") from None


def _header(file: BinaryIO, path: Path, *, num_dimensions: int) -> tuple[int, ...]:
    zeros, kind, dimensions = struct.unpack(">HBB", _read(file, 4, path))
    if (zeros, kind, dimensions) != (0, UINT8, num_dimensions):
        raise DataError(
            f"{path}: begins with {zeros:04x}{kind:02x}{dimensions:02x}; IDX of uint8 with {num_dimensions} dimensions "
            f"begins with 000008{num_dimensions:02x}; fetch the file again"
        )
    return struct.unpack(f">{num_dimensions}I", _read(file, 4 * num_dimensions, path))


def _read(file: BinaryIO, num_bytes: int, path: Path) -> bytes:
    try:
        data = file.read(num_bytes)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip ({error}); fetch the file again") from None
    if len(data) != num_bytes:
        raise DataError(f"{path}: ends {num_bytes - len(data)} bytes early; fetch the file again")
    return data
