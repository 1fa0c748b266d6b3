"""Rows of a table that hold encoded images, as image rows."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from headrace.data.image.reading.image_table import image_schema
from headrace.data.image.reading.rows import BATCH_BYTES, BATCH_ROWS


def to_image_batches(batches: Iterator[pa.RecordBatch], column: str) -> Iterator[pa.RecordBatch]:
    """Converts raw rows of a table with the columns `image` and `path`; `column`: the hashes, which are left out.

    A missing image becomes empty bytes, so that `clean` puts its row in quarantine.
    """
    pending, num_rows, num_bytes = list[pa.RecordBatch](), 0, 0
    for batch in batches:
        if pending and (num_rows + batch.num_rows > BATCH_ROWS or num_bytes >= BATCH_BYTES):
            yield _join(pending, column)
            pending, num_rows, num_bytes = [], 0, 0
        pending.append(batch)
        num_rows, num_bytes = num_rows + batch.num_rows, num_bytes + batch.nbytes
    if pending:
        yield _join(pending, column)


def _join(batches: list[pa.RecordBatch], column: str) -> pa.RecordBatch:
    schema = image_schema(batches[0].schema, column)
    table = pa.Table.from_batches(batches).select(schema.names).combine_chunks()
    (batch,) = table.to_batches()
    images = pc.fill_null(batch.column("image"), b"")
    return pa.RecordBatch.from_arrays(
        [images if name == "image" else batch.column(name) for name in schema.names], schema=schema
    )
