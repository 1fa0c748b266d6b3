"""IDX files, as MNIST is published: `train-images-idx3-ubyte.gz` and `train-labels-idx1-ubyte.gz`.

Format: http://yann.lecun.com/exdb/mnist (two zero bytes, type 8 for uint8, number of dimensions, then each dimension
as a big-endian 32-bit integer, then the values).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import OpenedSource
from headrace.data.image.reading.rows import BATCH_ROWS, ContentIds, encode_png, open_image_source, to_record_batches
from headrace.data.sources.archives.compression import COMPRESSIONS, open_decompressed, translate_decompression_errors
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.row_source import SOURCE, format_index
from headrace.errors import DataError
from headrace.paths import SPLIT_ALIASES

IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
UINT8 = 8
MAX_IMAGE_PX = 2**20
"""Bounds the memory of one read; a header that claims more is damaged."""
SPLITS = SPLIT_ALIASES | {"t10k": "test"}
"""Official split, by the part of a file name before its first hyphen."""


class IdxPair(NamedTuple):
    """A file of images and the file of their labels."""

    images: Path
    labels: Path
    split: str | None


def is_idx_folder(folder: Path) -> bool:
    """Whether a folder has a file that is named like IDX images."""
    return folder.is_dir() and any(is_idx_file(path) for path in folder.iterdir())


def read_idx(path: Path, options: ReadOptions) -> OpenedSource:
    """IDX files of images and labels in a folder, plain or gzipped; official splits follow from the file names."""
    pairs = _find_pairs(path, f"params.yaml: ingest.source: {options.source!r}")
    return open_image_source("idx", _read_batches(pairs), options)


def _read_batches(pairs: list[IdxPair]) -> Iterator[pa.RecordBatch]:
    ids = ContentIds()
    for pair in pairs:
        yield from to_record_batches(_read_rows(pair, ids))


def is_idx_file(path: Path) -> bool:
    """Whether a file is named like IDX images; the notes of a download next to it are hidden or end differently."""
    return path.name.removesuffix(".gz").endswith(IMAGES) and not path.name.startswith(".")


def _find_pairs(folder: Path, where: str) -> list[IdxPair]:
    pairs = []
    image_paths = sorted(path for path in folder.iterdir() if is_idx_file(path))
    if not image_paths:
        raise DataError(f"{where}: has no file named like train-{IMAGES} or train-{IMAGES}.gz; put them there")
    for images in image_paths:
        name = images.name.replace(IMAGES, LABELS)
        plain_name = name.removesuffix(".gz")
        candidates = (folder / candidate for candidate in (name, plain_name, f"{plain_name}.gz"))
        labels = next((path for path in candidates if path.is_file()), None)
        if labels is None:
            raise DataError(f"{where}: {images.name} has no {name} next to it; put it there")
        pairs.append(IdxPair(images, labels, SPLITS.get(images.name.partition("-")[0])))
    return pairs


def read_idx_images(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yields the images of a file, `[rows, height, width]`, without their labels; raises DataError."""
    with _open(path) as file:
        num_rows, height, width = _read_images_header(file, path)
        for start in range(0, num_rows, BATCH_ROWS):
            count = min(BATCH_ROWS, num_rows - start)
            pixels = np.frombuffer(_read(file, count * height * width, path), np.uint8)
            yield pixels.reshape(count, height, width)


def _read_images_header(file: BinaryIO, path: Path) -> tuple[int, int, int]:
    num_rows, height, width = _read_header(file, path, num_dimensions=3)
    if height * width > MAX_IMAGE_PX:
        raise DataError(
            f"{path}: images of {height} x {width} pixels; at most {MAX_IMAGE_PX} pixels are read; fetch the file again"
        )
    return num_rows, height, width


def _read_rows(pair: IdxPair, ids: ContentIds) -> Iterator[dict[str, Any]]:
    with _open(pair.images) as images, _open(pair.labels) as labels:
        num_rows, height, width = _read_images_header(images, pair.images)
        (num_labels,) = _read_header(labels, pair.labels, num_dimensions=1)
        if num_rows != num_labels:
            raise DataError(
                f"{pair.images}: holds {num_rows} images, {pair.labels.name} {num_labels} labels; "
                "use files of the same set"
            )
        for start in range(0, num_rows, BATCH_ROWS):
            count = min(BATCH_ROWS, num_rows - start)
            pixels = np.frombuffer(_read(images, count * height * width, pair.images), np.uint8)
            pixels = pixels.reshape(count, height, width)
            names = map(str, _read(labels, count, pair.labels))
            for index, (image, label) in enumerate(zip(pixels, names, strict=True), start):
                row = {"row_id": ids.next_id(image.tobytes(), label), "image": encode_png(image), "label": label}
                yield {**row, "split": pair.split, SOURCE: format_index(pair.images.name, index)}


def _open(path: Path) -> BinaryIO:
    with translate_decompression_errors(path):
        return open_decompressed(path, COMPRESSIONS.get(path.suffix))


def _read_header(file: BinaryIO, path: Path, *, num_dimensions: int) -> tuple[int, ...]:
    zeros, kind, dimensions = struct.unpack(">HBB", _read(file, 4, path))
    if (zeros, kind, dimensions) != (0, UINT8, num_dimensions):
        raise DataError(
            f"{path}: begins with {zeros:04x}{kind:02x}{dimensions:02x}; IDX of uint8 with {num_dimensions} dimensions "
            f"begins with 000008{num_dimensions:02x}; fetch the file again"
        )
    return struct.unpack(f">{num_dimensions}I", _read(file, 4 * num_dimensions, path))


def _read(file: BinaryIO, num_bytes: int, path: Path) -> bytes:
    with translate_decompression_errors(path):
        data = file.read(num_bytes)
    if len(data) != num_bytes:
        raise DataError(f"{path}: ends {num_bytes - len(data)} bytes early; fetch the file again")
    return data
