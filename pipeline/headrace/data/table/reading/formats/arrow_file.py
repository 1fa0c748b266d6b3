"""Reads Arrow's own files: Feather and IPC files, IPC streams, and ORC.

Hugging Face's datasets write streams under the name that other programs give to files: the content decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.arrow_cells import describe_columns, read_rows, translate_arrow_errors
from headrace.data.table.reading.table_file import OpenTableFile, check_uncompressed
from headrace.errors import DataError

FILE_MAGIC, FEATHER_1_MAGIC = b"ARROW1", b"FEA1"


def open_arrow(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Reads the schema of a Feather or Arrow file, or of a stream; raises DataError if it is damaged."""
    check_uncompressed(path, "Arrow")
    with translate_arrow_errors(path, "Arrow"):
        columns = describe_columns(path, read_arrow_schema(path), options, expected, lambda _: read_arrow_batches(path))
    rows = read_rows(path, "Arrow", read_arrow_batches(path), columns)
    return OpenTableFile(columns.names, rows, options.table, "index", image_column=columns.image_column)


def open_orc(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Reads the schema of an ORC file; raises DataError if it is damaged."""
    from pyarrow import orc

    check_uncompressed(path, "ORC")
    with translate_arrow_errors(path, "ORC"):
        columns = describe_columns(
            path, orc.ORCFile(path).schema, options, expected, lambda name: _read_stripes(path, [name])
        )
    rows = read_rows(path, "ORC", _read_stripes(path, columns.names), columns)
    return OpenTableFile(columns.names, rows, options.table, "index", image_column=columns.image_column)


def read_arrow_schema(path: Path) -> pa.Schema:
    """The schema of a file or stream; raises what Arrow does."""
    with _open(path) as source:
        return (pa.ipc.open_file if _is_file(path) else pa.ipc.open_stream)(source).schema


def read_arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of a file or stream, mapped into memory and checked; raises what Arrow does."""
    with _open(path) as source:
        if not _is_file(path):
            yield from map(_check, pa.ipc.open_stream(source))
            return
        file = pa.ipc.open_file(source)
        for index in range(file.num_record_batches):
            yield _check(file.get_batch(index))


def _read_stripes(path: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
    from pyarrow import orc

    file = orc.ORCFile(path)
    for index in range(file.nstripes):
        yield _check(file.read_stripe(index, columns=names))


def _open(path: Path) -> pa.NativeFile:
    if not path.stat().st_size:
        raise DataError(f"{path}: is empty; give a table that has rows")
    return pa.memory_map(str(path))


def _is_file(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(len(FILE_MAGIC))
    if head.startswith(FEATHER_1_MAGIC):
        raise DataError(f"{path}: is Feather of version 1, which Arrow no longer reads; write it again as Parquet")
    return head == FILE_MAGIC


def _check(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, if its offsets stay within its buffers: Arrow does not check what it maps, and would crash."""
    batch.validate(full=True)
    return batch
