"""Rows of texts: what they look like from `ingest` on, and the batches they travel in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

BATCH_ROWS = 1024
BATCH_BYTES = 16 * 1024 * 1024


def text_schema(extras: Iterable[str] = ()) -> pa.Schema:
    """Of raw rows; `extras`: names of further columns, of strings."""
    return pa.schema(
        [
            pa.field("row_id", pa.string(), nullable=False),  # 32 hex characters
            pa.field("text", pa.string(), nullable=False),  # empty where the source has none
            pa.field("label", pa.string()),
            pa.field("path", pa.string()),  # of a file, below the source's folder, with forward slashes
            pa.field("split", pa.string()),  # train, val or test, where the source has official splits
            *(pa.field(name, pa.string()) for name in extras),
        ]
    )


def to_text_schema(raw: pa.Schema, text_column: str) -> pa.Schema:
    """Of what `to_text_batch` makes of a table's raw rows."""
    return text_schema(name for name in raw.names if name not in ("row_id", "label", "split", text_column))


def to_text_batch(batch: pa.RecordBatch, text_column: str) -> pa.RecordBatch:
    """A table's raw rows as text rows: `text_column` becomes `text`, other columns stay behind it as they are."""
    schema = to_text_schema(batch.schema, text_column)
    given = {"text": batch.column(text_column).fill_null(""), "path": pa.nulls(batch.num_rows, pa.string())}
    columns = [given[name] if name in given else batch.column(name) for name in schema.names]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def batches(rows: Iterable[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Batches that stay small however long the texts are."""
    schema = text_schema()
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row["text"])
        if len(batch) == BATCH_ROWS or size >= BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(batch, schema)
            batch, size = [], 0
    if batch:
        yield pa.RecordBatch.from_pylist(batch, schema)
