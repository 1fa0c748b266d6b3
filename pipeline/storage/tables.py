"""Parquet shards: rows are written and read a batch at a time, so that no step needs the whole set in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_BATCH = 1024
SHARD_BYTES = 256 * 1024 * 1024


def write_shards(folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Writes `part-00000.parquet` and on, a new one after SHARD_BYTES; returns the number of rows."""
    import pyarrow.parquet as pq

    num_rows = num_shards = size = 0
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            if writer is None:
                writer = pq.ParquetWriter(folder / f"part-{num_shards:05d}.parquet", schema, compression="zstd")
                num_shards, size = num_shards + 1, 0
            writer.write_batch(batch)
            num_rows += batch.num_rows
            size += batch.nbytes
            if size >= SHARD_BYTES:
                writer.close()
                writer = None
        if num_shards == 0:  # no rows: one empty shard still tells the schema
            writer = pq.ParquetWriter(folder / "part-00000.parquet", schema, compression="zstd")
    finally:
        if writer is not None:
            writer.close()
    return num_rows


def read_shards(folder: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a folder's shards in order; raises DataError when there are none or one is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shards = sorted(folder.glob("part-*.parquet"))
    if not shards:
        raise DataError(f"{folder}: holds no part-*.parquet; run the stages before this one: dvc repro")
    for shard in shards:
        try:
            with pq.ParquetFile(shard) as file:
                for group in range(file.num_row_groups):  # one by one: else batches of large rows are put together
                    yield from file.iter_batches(ROWS_PER_BATCH, row_groups=[group], columns=columns)
        except (pa.ArrowException, OSError) as error:
            if getattr(error, "errno", None):  # of the disk, not of the file's content
                raise
            raise DataError(
                f"{shard}: not readable as Parquet ({str(error).splitlines()[0]}); run: dvc repro --force"
            ) from None


def read_table(folder: Path, columns: list[str] | None = None) -> pa.Table:
    """Reads some columns of every row into memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    batches = list(read_shards(folder, columns))
    if not batches:  # an empty shard still tells the schema
        return pq.ParquetFile(min(folder.glob("part-*.parquet"))).read(columns=columns)
    return pa.Table.from_batches(batches)
