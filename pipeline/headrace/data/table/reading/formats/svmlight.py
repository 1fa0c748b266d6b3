"""Reads svmlight (LIBSVM) text: a label and `index:value` pairs a line; indices that a line leaves out are zero.

See https://www.csie.ntu.edu.tw/~cjlin/libsvm/ and the documentation of scikit-learn's `load_svmlight_file`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.cell_text import format_floats
from headrace.data.table.reading.table_file import FileRows, OpenTableFile
from headrace.data.table.reading.text_stream import read_text_blocks
from headrace.errors import DataError

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
ROW = re.compile(rf"{NUMBER}(?:\s+\d+:{NUMBER})*")
LIKELY = re.compile(rf"{NUMBER}(?:,{NUMBER})*(?:\s+qid:\d+)?((?:\s+\d+:{NUMBER})*)")
"""Also rows of the kinds that are not supported, so that they are not taken for texts."""
INDEX = re.compile(r"(\d+):")
TIME = re.compile(r"\d{1,2}:\d\d")
LABEL, FEATURE = "label", "feature_"
MAX_FEATURES = 2000
ROWS_PER_BATCH, MAX_CELLS_PER_BATCH = 8192, 2**20
SAMPLE_LINES = 50

Line = tuple[int, str]
"""The number of a line, and its text without comment."""


def is_svmlight(path: Path) -> bool:
    """Whether the first lines of a text file are labels with pairs; times of day beside a number are not."""
    try:
        lines = [line for _, line in islice(_lines(path, "auto"), SAMPLE_LINES)]
    except DataError:  # the reader of text raises it again
        return False
    rows = [LIKELY.fullmatch(line) for line in lines]
    pairs = [row[1].split() if row else [] for row in rows]
    if None in rows or not any(len(each) > 1 for each in pairs):
        return False
    if all(TIME.fullmatch(pair) for each in pairs for pair in each):
        return False
    indices = [[int(pair.partition(":")[0]) for pair in each] for each in pairs]
    return all(each == sorted(set(each)) for each in indices)


def open_svmlight(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Reads the file once for the number of its features; raises DataError for more than MAX_FEATURES."""
    encoding = options.table.encoding
    names = expected or _find_names(path, encoding)
    return OpenTableFile(names, _batches(path, encoding, names), options.table)


def _find_names(path: Path, encoding: str) -> list[str]:
    lowest, highest = MAX_FEATURES, -1
    for number, line in _lines(path, encoding):
        if first := INDEX.search(line):  # indices ascend, or the line is refused when it is read
            last = INDEX.search(line.rsplit(None, 1)[-1]) or first
            lowest, highest = min(lowest, int(first[1])), max(highest, int(last[1]))
        if highest > MAX_FEATURES:
            raise DataError(
                f"{path}: line {number}: has feature {highest}; svmlight is read as a table, of at most {MAX_FEATURES}"
                " columns; select the features that matter, and write those"
            )
    if highest < 0:
        raise DataError(f"{path}: has no features; give a table that has rows")
    return [LABEL, *(f"{FEATURE}{index}" for index in range(min(lowest, 1), highest + 1))]


def _batches(path: Path, encoding: str, names: Sequence[str]) -> Iterator[FileRows]:
    columns = [int(name.removeprefix(FEATURE)) for name in names if name != LABEL]
    lines = _lines(path, encoding)
    while batch := list(islice(lines, min(ROWS_PER_BATCH, MAX_CELLS_PER_BATCH // len(names)))):
        features, labels = _parse(path, batch, max(columns) + 1)
        by_column = features.tocsc()
        cells = {f"{FEATURE}{index}": _to_cells(by_column, index) for index in columns}
        cells[LABEL] = format_floats(pa.array(labels))
        arrays = [cells[name] for name in names]
        yield FileRows(pa.record_batch(arrays, names=list(names)), pa.array([line for line, _ in batch], pa.int64()))


def _to_cells(by_column: Any, index: int) -> pa.Array:
    """A column of a sparse matrix as text; most of its cells are the same."""
    start, end = by_column.indptr[index : index + 2]
    is_written = np.zeros(by_column.shape[0], np.bool_)
    is_written[by_column.indices[start:end]] = True
    order = np.argsort(by_column.indices[start:end])
    written = format_floats(pa.array(by_column.data[start:end][order]))
    return pc.replace_with_mask(pa.repeat("0", len(is_written)), is_written, written)


def _parse(path: Path, batch: list[Line], num_features: int) -> tuple[Any, Any]:
    """Features `[rows, num_features]`, sparse, and labels `[rows]`; raises DataError with the line."""
    from sklearn.datasets import load_svmlight_file

    text = "\n".join(line for _, line in batch)
    try:
        # without query ids, the library leaves them out in silence; with them, rows must have one
        features, labels, *ids = load_svmlight_file(
            io.BytesIO(text.encode()), n_features=num_features, zero_based=True, query_id="qid:" in text
        )
        reason = "it has query ids" if ids else ""
    except ValueError as error:  # indices that do not ascend, or a feature that no earlier file has
        reason = str(error)
    if reason:
        _raise_for_line(path, batch, reason)
    return features, labels


def _raise_for_line(path: Path, batch: list[Line], reason: str) -> NoReturn:
    for number, line in batch:
        if not ROW.fullmatch(line):
            raise DataError(
                f"{path}: line {number}: {line.strip()[:60]!r} is not a label and pairs of index:value (svmlight); fix"
                " that line; several labels and qid are not supported"
            )
    raise DataError(f"{path}: line {batch[0][0]} or later: not readable as svmlight ({reason}); fix it")


def _lines(path: Path, encoding: str) -> Iterator[Line]:
    """The lines that are not blank, without comments."""
    rest, number = "", 0
    for block in read_text_blocks(path, encoding):
        *lines, rest = (rest + block).split("\n")
        for line in lines:
            number += 1
            if content := line.partition("#")[0].strip():
                yield number, content
    if content := rest.partition("#")[0].strip():
        yield number + 1, content
