"""Text tables: a record a line, cells parted by a delimiter."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.delimited.format import NO_LIMIT, Layout, find_layout
from headrace.data.table.reading.table_file import OpenTableFile, check_names, check_same
from headrace.data.table.reading.text_stream import Utf8, single_blanks, skip, text_blocks
from headrace.errors import ConfigError, DataError

BLOCK_BYTES = 1024 * 1024
ROWS_PER_BATCH = 1024


def open_delimited(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Finds out how a file is written and reads it; `expected`: the columns of the files before it."""
    layout = find_layout(path, options.table)
    if expected is not None:
        check_same(path, layout.names, expected)
    elif options.table.delimiter != "auto" and len(layout.names) == 1:
        raise ConfigError(
            f"params.yaml: ingest.table.delimiter: {options.table.delimiter!r} parts no line of {path}; set auto, or"
            " what stands between its cells"
        )
    check_names(path, layout.names)
    table = options.table.model_copy(update={"delimiter": layout.dialect.delimiter, "header": layout.has_header})
    return OpenTableFile(layout.names, _batches(path, layout, options.table.encoding), table, layout.note)


def _batches(path: Path, layout: Layout, encoding: str) -> Iterator[pa.RecordBatch]:
    """By Arrow, which is fast; from the row on that it refuses by Python's parser, which can tell the line."""
    num_rows = 0
    if not layout.dialect.skips_blanks:
        text = _opened(path, layout, encoding)
        last = None
        try:
            for batch in _parsed(text, layout):
                yield batch
                num_rows += batch.num_rows
                last = batch
        except pa.ArrowInvalid:
            pass
        else:
            if layout.dialect.is_quoted and (text.num_quotes % 2 or _ends_torn(last)):
                _check_quotes(path, layout, encoding)
            return
    yield from _parsed_slowly(path, layout, encoding, num_rows)


def _opened(path: Path, layout: Layout, encoding: str) -> Utf8:
    """The text below the header."""
    blocks = skip(text_blocks(path, encoding), layout.num_skipped)
    return Utf8(single_blanks(blocks) if layout.dialect.delimiter == " " else blocks)


def _parsed(text: Utf8, layout: Layout) -> Iterator[pa.RecordBatch]:

    file = io.BufferedReader(text, BLOCK_BYTES)
    if not file.peek(1).strip() and not file.read().strip():
        return
    made = arrow_csv.open_csv(
        pa.PythonFile(file, "r"),
        read_options=arrow_csv.ReadOptions(column_names=layout.names, block_size=BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(
            delimiter=layout.dialect.delimiter,
            quote_char='"' if layout.dialect.is_quoted else False,
            newlines_in_values=layout.dialect.is_quoted,
            invalid_row_handler=lambda row: "error" if row.text.strip() else "skip",
        ),
        convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(layout.names, pa.string())),
    )
    with made as reader:  # closing waits for the thread that reads ahead: one that outlives Python ends it by abort()
        yield from reader


def _ends_torn(last: pa.RecordBatch | None) -> bool:
    """Whether the last row holds line ends: Arrow takes a quote that never closes for one that closes at the end."""
    return last is not None and any("\n" in cell for cell in last.slice(last.num_rows - 1).to_pylist()[0].values())


def _check_quotes(path: Path, layout: Layout, encoding: str) -> None:
    for _ in _records(path, layout, encoding, strict=True):
        pass


def _parsed_slowly(path: Path, layout: Layout, encoding: str, num_done: int) -> Iterator[pa.RecordBatch]:

    schema = pa.schema([(name, pa.string()) for name in layout.names])
    rows = islice(_records(path, layout, encoding, strict=False), num_done, None)
    while batch := list(islice(rows, ROWS_PER_BATCH)):
        columns = zip(*batch, strict=True)
        yield pa.record_batch([pa.array(column, pa.string()) for column in columns], schema=schema)


def _records(path: Path, layout: Layout, encoding: str, *, strict: bool) -> Iterator[list[str]]:
    """The rows; raises DataError with the line for one that has too few or too many cells, or a quote left open."""
    csv.field_size_limit(NO_LIMIT)  # else a text of 128 KiB is an error
    lines = io.TextIOWrapper(io.BufferedReader(_opened(path, layout, encoding)), "utf-8", newline="\n")
    dialect = layout.dialect
    reader = csv.reader(
        lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_MINIMAL if dialect.is_quoted else csv.QUOTE_NONE,
        skipinitialspace=dialect.skips_blanks, strict=strict,
    )  # fmt: skip
    line = layout.num_skipped + 1
    try:
        for cells in reader:
            if len(cells) > 1 or any(cell.strip() for cell in cells):
                _check_width(path, line, cells, layout)
                yield cells
            line = layout.num_skipped + reader.line_num + 1
    except csv.Error as error:
        if "end of data" in str(error):
            raise _open_quote(path, line) from None
        if not strict:
            raise DataError(f"{path}: line {line}: cannot be parsed ({error}); mend that line") from None


def _check_width(path: Path, line: int, cells: list[str], layout: Layout) -> None:
    if len(cells) == len(layout.names):
        return
    if any("\n" in cell for cell in cells):
        raise _open_quote(path, line)
    raise DataError(
        f"{path}: line {line}: has {len(cells)} cells, the table has {len(layout.names)} columns (delimiter"
        f" {layout.dialect.delimiter!r}, quoting {str(layout.dialect.is_quoted).lower()}); mend that line, or set"
        " ingest.table.delimiter, quoting or skip_lines"
    )


def _open_quote(path: Path, line: int) -> DataError:
    return DataError(
        f"{path}: line {line}: a quote opens that does not close before the file or a row ends; close it, or set"
        " ingest.table.quoting: false"
    )
