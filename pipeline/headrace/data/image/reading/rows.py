"""Rows of images: their ids, the bytes they are kept as, and the batches they travel in.

What raw image rows look like, from `ingest` to `normalize`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BATCH_ROWS = 1024
BATCH_BYTES = 16 * 1024 * 1024


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encodes grey `[height, width]` or colour `[height, width, 3]`, quickly rather than small."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def row_id(content: bytes, occurrence: int = 0) -> str:
    """The same for the same content wherever it stands; exact repeats are counted."""
    suffix = f"#{occurrence}".encode() if occurrence else b""
    return blake2b(content + suffix, digest_size=16).hexdigest()


def batches(rows: Iterable[dict[str, Any]], schema: pa.Schema | None = None) -> Iterator[pa.RecordBatch]:
    """Batches that stay small however large the images are; `schema`: that of image rows without other columns."""
    schema = RAW_SCHEMA if schema is None else schema
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


RAW_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),  # 32 hex characters
        pa.field("image", pa.binary(), nullable=False),  # the file's bytes as they are
        pa.field("label", pa.string()),
        pa.field("path", pa.string()),  # below the source's folder, with forward slashes
        pa.field("split", pa.string()),  # train, val or test, where the source has official splits
    ]
)
