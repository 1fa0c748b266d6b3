"""Schema and batches of raw text rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

BATCH_ROWS = 1024
BATCH_BYTES = 16 * 1024 * 1024


def text_schema(extras: Iterable[str] = ()) -> pa.Schema:
    """Returns the schema of raw text rows; `extras`: names of further string columns."""
    return pa.schema(
        [
            pa.field("row_id", pa.string(), nullable=False),  # 32 hex characters
            pa.field("text", pa.string(), nullable=False),  # empty if the source has none
            pa.field("label", pa.string()),
            pa.field("path", pa.string()),  # of a file, relative to the source, with forward slashes
            pa.field("split", pa.string()),  # train, val or test, if the source has official splits
            pa.field("source", pa.string()),  # see data/sources/row_source.py
            *(pa.field(name, pa.string()) for name in extras),
        ]
    )


def to_text_schema(raw: pa.Schema, text_column: str) -> pa.Schema:
    """Returns the schema of `to_text_batch` for a table's raw schema."""
    return text_schema(name for name in raw.names if name not in ("row_id", "label", "split", "source", text_column))


def to_text_batch(batch: pa.RecordBatch, text_column: str) -> pa.RecordBatch:
    """Converts a table's raw rows to text rows: `text_column` becomes `text`; other columns follow unchanged."""
    schema = to_text_schema(batch.schema, text_column)
    text_columns = {"text": batch.column(text_column).fill_null(""), "path": pa.nulls(batch.num_rows, pa.string())}
    columns = [text_columns[name] if name in text_columns else batch.column(name) for name in schema.names]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def to_batches(rows: Iterable[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Groups rows into batches of limited row count and text size."""
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


def texts_of(batch: pa.RecordBatch) -> list[str]:
    """Returns the texts of a batch; a missing one is empty."""
    texts: list[str] = batch.column("text").fill_null("").to_pylist()
    return texts
