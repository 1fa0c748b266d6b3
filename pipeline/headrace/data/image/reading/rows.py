"""Raw image rows, which every image reader makes: their schema, ids, stored bytes and batches."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import OpenedSource, Spec, TaskName
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import ConfigError

BATCH_ROWS = 1024
BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of a batch: a second of work for photographs, so that all processes end at about the same time."""
RAW_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),  # 32 hex characters
        pa.field("image", pa.binary(), nullable=False),  # an encoded image, unchanged where the source has files
        pa.field("label", pa.string()),
        pa.field("path", pa.string()),  # below the source's folder, with forward slashes
        pa.field("split", pa.string()),  # train, val or test, if the source has official splits
        pa.field("source", pa.string()),  # see data/sources/row_source.py
    ]
)


def open_image_source(
    form: str, batches: Iterator[pa.RecordBatch], options: ReadOptions, task: TaskName = "classification"
) -> OpenedSource:
    """Image rows of a format that implies their classes; raises ConfigError for options that only tables have."""
    _check_options(options, task)
    spec = Spec(modality="image", task=task, source=options.source, format=form, num_rows=0)
    return OpenedSource(spec, RAW_SCHEMA, batches)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encodes grey `[height, width]` or colour `[height, width, 3]`, favouring speed over size."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class ContentIds:
    """Row ids that depend on pixels and label, not on the place of a row; exact repeats are numbered.

    PNG bytes would not do: they change with the version of zlib.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def next_id(self, pixels: bytes, label: str) -> str:
        """32 hex characters."""
        content = pixels + label.encode()
        first_id = _digest(content)
        occurrence = self._counts[first_id]
        self._counts[first_id] += 1
        return _digest(content + f"#{occurrence}".encode()) if occurrence else first_id


def to_record_batches(rows: Iterable[dict[str, Any]], schema: pa.Schema = RAW_SCHEMA) -> Iterator[pa.RecordBatch]:
    """Groups rows into batches of at most BATCH_ROWS rows and about BATCH_BYTES bytes of images."""
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row["image"])
        if len(batch) == BATCH_ROWS or size >= BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(batch, schema)
            batch, size = [], 0
    if batch:
        yield pa.RecordBatch.from_pylist(batch, schema)


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _check_options(options: ReadOptions, task: TaskName) -> None:
    if options.target is not None:
        raise ConfigError(
            f"params.yaml: ingest.target: got {options.target!r}; must be null for images,"
            " whose class is the name of their folder; remove it"
        )
    if options.label_separator is not None:
        raise ConfigError(
            f"params.yaml: ingest.label_separator: got {options.label_separator!r}; must be null for images by class,"
            " which have one each; remove it"
        )
    if options.split_column is not None:
        raise ConfigError(
            f"params.yaml: ingest.split_column: got {options.split_column!r}; must be null for images,"
            " whose split is given by folders or files; remove it"
        )
    if options.task not in {"auto", task}:
        raise ConfigError(
            f"params.yaml: ingest.task: got {options.task!r}; images by class are for {task}; set auto, or use"
            " a table with a column of paths and a target of numbers or lists"
        )
