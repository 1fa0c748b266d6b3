"""Reads delimited text, such as CSV: one record per line, cells separated by a delimiter."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.delimited.format import NO_LIMIT, Layout, detect_layout
from headrace.data.table.reading.delimited.line_numbers import LineNumbers
from headrace.data.table.reading.table_file import FileRows, OpenTableFile, check_same_columns, check_unique_names
from headrace.data.table.reading.text_stream import Utf8Stream, collapse_whitespace, read_text_blocks, skip_lines
from headrace.errors import ConfigError, DataError

BLOCK_BYTES = 1024 * 1024
ROWS_PER_BATCH = 1024


def open_delimited(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Detects a file's format and opens it; `expected`: the columns of the files before it."""
    layout = detect_layout(path, options.table)
    if expected is not None:
        check_same_columns(path, layout.names, expected)
    elif options.table.delimiter != "auto" and len(layout.names) == 1:
        raise ConfigError(
            f"params.yaml: ingest.table.delimiter: {options.table.delimiter!r} occurs in no line of {path}; set auto,"
            " or the character between its cells"
        )
    check_unique_names(path, layout.names)
    table = options.table.model_copy(update={"delimiter": layout.dialect.delimiter, "header": layout.has_header})
    return OpenTableFile(layout.names, _batches(path, layout, options.table.encoding), table, note=layout.note)


def _batches(path: Path, layout: Layout, encoding: str) -> Iterator[FileRows]:
    """Parses with Arrow, which is fast; from the first row it rejects, with Python, which knows line numbers."""
    num_rows = 0
    if not layout.dialect.skips_blanks:
        lines = LineNumbers(layout)
        text = _open_rows(path, layout, encoding, lines)
        last = None
        try:
            for batch in _parse_with_arrow(text, layout):
                yield FileRows(batch, lines.assign(batch, may_span_lines=text.num_quotes > 0))
                num_rows += batch.num_rows
                last = batch
        except pa.ArrowInvalid:
            pass
        else:
            if layout.dialect.is_quoted and (text.num_quotes % 2 or _ends_in_line_break(last)):
                for _ in _records(path, layout, encoding, strict=True):  # raises for a quote that never closes
                    pass
            return
    yield from _parse_with_python(path, layout, encoding, num_rows)


def _open_rows(path: Path, layout: Layout, encoding: str, lines: LineNumbers | None = None) -> Utf8Stream:
    """The text below the header; `lines` learns which of its lines are blank."""
    blocks = skip_lines(read_text_blocks(path, encoding), layout.num_skipped)
    blocks = collapse_whitespace(blocks) if layout.dialect.delimiter == " " else blocks
    return Utf8Stream(lines.watch(blocks) if lines else blocks)


def _parse_with_arrow(text: Utf8Stream, layout: Layout) -> Iterator[pa.RecordBatch]:
    file = io.BufferedReader(text, BLOCK_BYTES)
    if not file.peek(1).strip() and not file.read().strip():
        return
    batch_reader = arrow_csv.open_csv(
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
    with batch_reader as batches:  # close: a read-ahead thread that outlives the interpreter aborts the process
        yield from batches


def _ends_in_line_break(last: pa.RecordBatch | None) -> bool:
    """Whether the last row contains a line break: Arrow closes an unclosed quote at the end of the file."""
    return last is not None and any("\n" in cell for cell in last.slice(last.num_rows - 1).to_pylist()[0].values())


def _parse_with_python(path: Path, layout: Layout, encoding: str, num_done: int) -> Iterator[FileRows]:
    schema = pa.schema([(name, pa.string()) for name in layout.names])
    rows = islice(_records(path, layout, encoding, strict=False), num_done, None)
    while batch := list(islice(rows, ROWS_PER_BATCH)):
        columns = zip(*(cells for _, cells in batch), strict=True)
        arrays = [pa.array(column, pa.string()) for column in columns]
        yield FileRows(pa.record_batch(arrays, schema=schema), pa.array([line for line, _ in batch], pa.int64()))


def _records(path: Path, layout: Layout, encoding: str, *, strict: bool) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with the line in which it begins.

    Raises DataError with the line for a row with too few or too many cells, or an unclosed quote.
    """
    csv.field_size_limit(NO_LIMIT)  # by default a text of 128 KiB is an error
    lines = io.TextIOWrapper(io.BufferedReader(_open_rows(path, layout, encoding)), "utf-8", newline="\n")
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
                yield line, cells
            line = layout.num_skipped + reader.line_num + 1
    except csv.Error as error:
        if "end of data" in str(error):
            raise _unclosed_quote(path, line) from None
        if not strict:
            raise DataError(f"{path}: line {line}: cannot be parsed ({error}); fix that line") from None


def _check_width(path: Path, line: int, cells: list[str], layout: Layout) -> None:
    if len(cells) == len(layout.names):
        return
    if any("\n" in cell for cell in cells):
        raise _unclosed_quote(path, line)
    raise DataError(
        f"{path}: line {line}: has {len(cells)} cells, the table has {len(layout.names)} columns (delimiter"
        f" {layout.dialect.delimiter!r}, quoting {str(layout.dialect.is_quoted).lower()}); fix that line, or set"
        " ingest.table.delimiter, quoting or skip_lines"
    )


def _unclosed_quote(path: Path, line: int) -> DataError:
    return DataError(
        f"{path}: line {line}: a quote opens that does not close before the row or the file ends; close it, or set"
        " ingest.table.quoting: false"
    )
