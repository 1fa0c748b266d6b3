"""Reads Parquet files: columns of scalars, as text; the target may contain lists of labels, one column images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.arrow_cells import (
    IMAGES_PER_BATCH,
    ArrowColumns,
    describe_columns,
    read_rows,
    translate_arrow_errors,
)
from headrace.data.table.reading.table_file import OpenTableFile, check_uncompressed


def open_parquet(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Reads the schema; raises DataError if the file is damaged or a column has more than one value per row."""
    check_uncompressed(path, "Parquet")
    with translate_arrow_errors(path, "Parquet"), pq.ParquetFile(path) as file:
        columns = describe_columns(
            path, file.schema_arrow, options, expected, lambda name: file.iter_batches(IMAGES_PER_BATCH, columns=[name])
        )
    rows = read_rows(path, "Parquet", _read_batches(path, columns), columns)
    return OpenTableFile(columns.names, rows, options.table, "index", image_column=columns.image_column)


def _read_batches(path: Path, columns: ArrowColumns) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(columns.rows_per_batch, columns=columns.names)
