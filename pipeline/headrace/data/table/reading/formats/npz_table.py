"""Reads `.npz` files whose arrays are the columns of a table: `x` of `[rows, columns]` and `y` of `[rows]`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Assumption
from headrace.data.sources.npz import NpzPair, pair_arrays, read_blocks, read_whole
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.arrow_cells import describe_columns, read_rows
from headrace.data.table.reading.table_file import OpenTableFile, check_uncompressed
from headrace.errors import DataError

MAX_DIMENSIONS = 2


def open_npz(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Opens arrays as columns; rows of arrays named by a split are marked in a column `split`."""
    check_uncompressed(path, "npz")
    pairs = pair_arrays([path], str(path))
    for array in (array for pair in pairs for array in (pair.inputs, pair.labels) if array is not None):
        if not 1 <= len(array.shape) <= MAX_DIMENSIONS:
            raise DataError(
                f"{path}: {array.name!r} has the shape {list(array.shape)}; columns must be [rows] or [rows, columns];"
                " save it again"
            )
    names = _name_columns(pairs[0])
    if any(_name_columns(pair) != names for pair in pairs):
        raise DataError(
            f"{path}: its arrays have different columns; save one table, or the same columns for each split"
        )
    has_splits = pairs[0].split is not None
    schema = pa.schema([(name, pa.string()) for name in [*names, *(["split"] if has_splits else [])]])
    columns = describe_columns(path, schema, options, expected)
    assumptions = [_assume_splits(pairs)] if has_splits and options.split_column != "split" else []
    rows = read_rows(path, "an .npz file", _read_batches(pairs, names, has_splits=has_splits), columns)
    return OpenTableFile(columns.names, rows, options.table, "index", assumptions=assumptions)


def _assume_splits(pairs: Sequence[NpzPair]) -> Assumption:
    names = ", ".join(pair.inputs.name for pair in pairs)
    text = f"the rows of {names} are split anew; the column 'split' names their arrays"
    return Assumption(stage="ingest", subject="split", text=text, setting="ingest.split_column: split", is_warning=True)


def _name_columns(pair: NpzPair) -> list[str]:
    """The role of an array, with a number for each of several columns."""
    names = []
    for array, role in ((pair.inputs, "x"), (pair.labels, "y")):
        if array is not None:
            count = array.shape[1] if len(array.shape) == MAX_DIMENSIONS else 1
            names += [role] if count == 1 else [f"{role}_{index}" for index in range(count)]
    return names


def _read_batches(pairs: Sequence[NpzPair], names: list[str], *, has_splits: bool) -> Iterator[pa.RecordBatch]:
    for pair in pairs:
        labels = None if pair.labels is None else _to_columns(read_whole(pair.labels))
        start = 0
        for block in read_blocks(pair.inputs):
            stop = start + len(block)
            arrays = _to_columns(block) + ([] if labels is None else [column[start:stop] for column in labels])
            splits = [pa.array([pair.split] * len(block), pa.string())] if has_splits else []
            yield pa.record_batch([*arrays, *splits], names=[*names, *(["split"] if has_splits else [])])
            start = stop


def _to_columns(block: NDArray[Any]) -> list[pa.Array]:
    columns = [block] if block.ndim == 1 else list(block.T)
    if block.dtype.kind == "S":
        columns = [np.char.decode(column, "utf-8", "replace") for column in columns]
    if block.dtype.kind in "SU":
        return [pa.array(column.tolist(), pa.string()) for column in columns]
    native = block.dtype.newbyteorder("=")
    return [pa.array(np.ascontiguousarray(column, native)) for column in columns]
