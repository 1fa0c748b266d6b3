"""Parquet shards, written and read one batch at a time, so that no dataset has to fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.errors import DataError

ROWS_PER_BATCH = 1024
SHARD_BYTES = 256 * 1024 * 1024


class ShardWriter:
    """Writes shards of about SHARD_BYTES, from `part-00000.parquet` on; raises OSError if the disk is full."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        """`folder` must exist."""
        self._folder, self._schema = folder, schema
        self._writer: pq.ParquetWriter | None = None
        self._num_shards = self._size = 0
        self.num_rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds a batch as a row group; an empty batch is skipped."""
        if not batch.num_rows:
            return
        writer = self._writer or self._open()
        writer.write_batch(batch)
        self.num_rows += batch.num_rows
        self._size += batch.nbytes
        if self._size >= SHARD_BYTES:
            self._end()

    def _open(self) -> pq.ParquetWriter:
        path = self._folder / f"part-{self._num_shards:05d}.parquet"
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._num_shards, self._size = self._num_shards + 1, 0
        return self._writer

    def _end(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._num_shards == 0:  # no rows: an empty shard still has the schema
            self._open()
        self._end()


def write_shards(folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Writes all batches with a ShardWriter; returns the number of rows."""
    with ShardWriter(folder, schema) as shards:
        for batch in batches:
            shards.write(batch)
    return shards.num_rows


def read_shards(folder: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a folder's shards in order; raises DataError if there are none or one is damaged."""
    for shard in _list_shards(folder):
        with translate_parquet_errors(shard), pq.ParquetFile(shard) as file:
            for group in range(file.num_row_groups):  # one by one: otherwise batches of large rows are merged
                yield from file.iter_batches(ROWS_PER_BATCH, row_groups=[group], columns=columns)


class BatchRef(NamedTuple):
    """The location of a batch: a row group of a shard, readable by every process that has the folder."""

    shard: str
    row_group: int
    num_rows: int


def list_batches(folder: Path) -> list[BatchRef]:
    """Lists the batches of a folder's shards in order; raises DataError if there are no shards or one is damaged."""
    refs = []
    for shard in _list_shards(folder):
        with translate_parquet_errors(shard):
            metadata = pq.read_metadata(shard)
        refs += [
            BatchRef(str(shard), group, metadata.row_group(group).num_rows) for group in range(metadata.num_row_groups)
        ]
    return refs


def read_batch(ref: BatchRef, columns: list[str] | None = None) -> pa.RecordBatch:
    """Reads one row group as one batch; raises DataError if it is damaged."""
    with translate_parquet_errors(Path(ref.shard)), pq.ParquetFile(ref.shard) as file:
        table = file.read_row_group(ref.row_group, columns=columns, use_threads=False).combine_chunks()
        return table.to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], table.schema)


def read_schema(folder: Path) -> pa.Schema:
    """Reads the schema of a folder's rows."""
    shard = _list_shards(folder)[0]
    with translate_parquet_errors(shard):
        return pq.read_schema(shard)


def read_table(folder: Path, columns: list[str] | None = None) -> pa.Table:
    """Reads some columns of every row into memory."""
    batches = list(read_shards(folder, columns))
    if not batches:  # an empty shard still has the schema
        return pq.ParquetFile(_list_shards(folder)[0]).read(columns=columns)
    return pa.Table.from_batches(batches)


def _list_shards(folder: Path) -> list[Path]:
    shards = sorted(folder.glob("part-*.parquet"))
    if not shards:
        raise DataError(f"{folder}: contains no part-*.parquet; run the stages before this one: dvc repro")
    return shards


@contextmanager
def translate_parquet_errors(shard: Path) -> Iterator[None]:
    """Raises DataError for a damaged shard; errors of the disk pass unchanged."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None):  # an error of the disk, not of the content
            raise
        raise DataError(
            f"{shard}: not readable as Parquet ({str(error).splitlines()[0]}); run: dvc repro --force"
        ) from None
