"""Folders written by `save_to_disk` of Hugging Face's datasets: `state.json` names their Arrow files.

The files of a folder are not all data: `map` and `filter` leave `cache-*.arrow` beside them. Old versions store a
selection of rows as indices into the data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.arrow_cells import (
    ArrowColumns,
    describe_columns,
    read_rows,
    translate_arrow_errors,
)
from headrace.data.table.reading.formats.arrow_file import read_arrow_batches, read_arrow_schema
from headrace.data.table.reading.table_file import OpenTableFile
from headrace.errors import DataError

STATE, INFO = "state.json", "dataset_info.json"
DATA_KEY, INDICES_KEY = "_data_files", "_indices_data_files"
MAX_STATE_BYTES = 64 * 2**20


def select_saved_files(paths: Iterable[Path]) -> dict[Path, str]:
    """The files to read, with their formats, if some of the paths were written by `save_to_disk`; otherwise empty."""
    known = set(paths)
    formats: dict[Path, str] = {}
    for state in sorted(path for path in known if path.name == STATE and path.with_name(INFO) in known):
        if _list_files(state, INDICES_KEY):
            formats[state] = "saved_dataset"
        else:
            formats |= dict.fromkeys(_list_files(state, DATA_KEY), "arrow")
    return formats


def open_saved_dataset(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Opens the dataset of a `state.json` with indices; raises DataError if one of its files is damaged."""
    files = _list_files(path, DATA_KEY)
    with translate_arrow_errors(files[0], "Arrow"):
        columns = describe_columns(
            files[0], read_arrow_schema(files[0]), options, expected, lambda _: read_arrow_batches(files[0])
        )
    rows = read_rows(path, "a dataset", _take_rows(files, _list_files(path, INDICES_KEY), columns), columns)
    return OpenTableFile(columns.names, rows, options.table, "index", image_column=columns.image_column)


def _take_rows(files: list[Path], indices: list[Path], columns: ArrowColumns) -> Iterator[pa.RecordBatch]:
    """The rows that the indices name, in their order; the data stay on disk, mapped into memory."""
    table = pa.Table.from_batches([batch for file in files for batch in read_arrow_batches(file)])
    table = table.select(columns.names)
    for file in indices:
        for batch in read_arrow_batches(file):
            numbers = batch.column(0).to_numpy(zero_copy_only=False).astype(np.int64)
            for start in range(0, len(numbers), columns.rows_per_batch):
                rows = table.take(pa.array(numbers[start : start + columns.rows_per_batch]))
                yield from rows.combine_chunks().to_batches()


def _list_files(state: Path, key: str) -> list[Path]:
    """The files that a `state.json` names, all in its own folder."""
    try:
        with state.open("rb") as file:
            content = json.loads(file.read(MAX_STATE_BYTES))
        names = [entry["filename"] for entry in content.get(key) or []]
        files = [state.with_name(Path(name).name) for name in names]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{state}: is no state.json of Hugging Face's datasets; save the dataset again") from None
    missing = next((file.name for file in files if not file.is_file()), None)
    if missing is not None or (key == DATA_KEY and not files):
        raise DataError(f"{state}: its data file {missing} is not there; copy the whole folder, or save it again")
    return files
