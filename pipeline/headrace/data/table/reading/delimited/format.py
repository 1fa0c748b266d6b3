"""Detects how a text table is written: delimiter, quoting, header, and the line on which its rows begin."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from headrace.data.sources.read_options import TableFormat
from headrace.data.table.parsing import parse_numbers
from headrace.data.table.reading.column_types import is_numeric
from headrace.data.table.reading.text_stream import read_text_blocks
from headrace.errors import ConfigError, DataError

DELIMITERS = ("\t", ";", "|", ",", " ")
"""In order of preference if several split the lines evenly: decimal commas are commoner than lists by semicolons."""
ALMOST = 0.01
CUT_FRACTION = 0.1
"""A quote that opens in this last part of a sample and does not close may close beyond it."""
NO_LIMIT = 2**31 - 1
TYPICAL_NAMES = frozenset(
    [
        *("category", "class", "diagnosis", "id", "income", "label", "labels", "outcome", "sentence", "sentiment"),
        *("species", "survived", "target", "text", "y"),
    ]
)
"""Lower-case names that are unlikely to be values."""
SEPARATOR_LINE = re.compile(r"""["']?sep=(.)["']?""", re.IGNORECASE)
"""The first line that gives Excel the delimiter."""
QUOTED_CELL = re.compile(r'(?:^|(?<=[\t;|, ]))"(?:[^"]|"")*"(?=[\t;|, ]|$)', re.MULTILINE)
"""A quoted cell, whatever the delimiter is; it may span lines."""
MAX_NAME_CHARS = 64
SAMPLE_CHARS = 1024 * 1024
HEADER_ROWS = 1000
"""Number of rows with which the first line is compared."""


class Dialect(NamedTuple):
    """How a line is split into cells."""

    delimiter: str
    is_quoted: bool
    skips_blanks: bool = False
    """Whether blanks may stand between a delimiter and the quote after it."""


class Layout(NamedTuple):
    """What a parser needs to know about a file."""

    names: list[str]
    dialect: Dialect
    num_skipped: int
    """Lines before the first row, including the header."""
    has_header: bool
    note: str
    """A warning for the user, or empty."""


def detect_layout(path: Path, table: TableFormat) -> Layout:
    """Inspects the first lines; raises DataError if there are none and ConfigError for the wrong number of names."""
    lines, is_whole = _first_lines(path, table)
    num_skipped = table.skip_lines + next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    lines = lines[num_skipped - table.skip_lines :]
    if not lines:
        raise DataError(f"{path}: is empty; give a table that has rows")
    if separator := SEPARATOR_LINE.fullmatch(lines[0]):
        num_skipped, lines = num_skipped + 1, lines[1:]
        table = table.model_copy(update={"delimiter": separator[1]}) if table.delimiter == "auto" else table
        if not lines:
            raise DataError(f"{path}: has only the line {separator[0]!r}; give a table that has rows")
    dialect = detect_dialect(lines, table, is_whole=is_whole)
    records = list(islice(parse_records(lines, dialect), HEADER_ROWS))
    note = ""
    if _begins_with_junk(records):
        end, cells = records.pop(0)
        note = f"{path}: skipped line {num_skipped + end}, which is not a row: {cells[0][:80]!r}"
        num_skipped += end
        records = [(number - end, cells) for number, cells in records]
    first = [cell.strip() for cell in records[0][1]]
    has_header = _has_header(first, [cells for _, cells in records[1:]], table)
    default_names = [f"column_{index}" for index in range(len(first))]
    if has_header:
        default_names = [cell or name for cell, name in zip(first, default_names, strict=True)]
    names = table.names or default_names
    if len(names) != len(first):
        raise ConfigError(
            f"params.yaml: ingest.table.names: got {len(names)} names, but {path} has {len(first)} columns"
            f" (delimiter {dialect.delimiter!r}); give as many names, or correct ingest.table.delimiter"
        )
    return Layout(names, dialect, num_skipped + (records[0][0] if has_header else 0), has_header, note)


def detect_dialect(lines: list[str], table: TableFormat, *, is_whole: bool) -> Dialect:
    """The dialect in which most of the first lines have the same number of cells, and more than one.

    Of several, one in which the first line has that number too.
    """
    delimiters = DELIMITERS if table.delimiter == "auto" else (table.delimiter,)
    is_open = table.delimiter == "auto" and table.quoting is not False
    possible = _find_outside_quotes(lines, delimiters) if is_open else delimiters
    dialects = [_detect_quoting(lines, delimiter, table, is_whole=is_whole) for delimiter in delimiters]
    scored = [(_evenness(lines, each) if each.delimiter in possible else 0.0, each) for each in dialects]
    best = max(score for score, _ in scored)
    if best == 0 and table.delimiter == "auto":  # one column
        is_enclosed = not possible and any('"' in line for line in lines)
        return Dialect(",", is_enclosed or next(each.is_quoted for each in dialects if each.delimiter == ","))
    even = [dialect for score, dialect in scored if score >= best - ALMOST]
    return next((dialect for dialect in even if _has_even_header(lines, dialect)), even[0])


def parse_records(lines: list[str], dialect: Dialect, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """The number of lines up to the end of each record, and its cells; empty lines are skipped.

    Raises csv.Error, with `strict`, if quotes do not enclose entire cells.
    """
    if not dialect.is_quoted:
        separator = None if dialect.delimiter == " " else dialect.delimiter
        yield from ((number, line.split(separator)) for number, line in enumerate(lines, 1) if line.strip())
        return
    csv.field_size_limit(NO_LIMIT)  # by default a text of 128 KiB is an error
    reader = csv.reader(
        (f"{line}\n" for line in lines), delimiter=dialect.delimiter, strict=strict,
        skipinitialspace=dialect.skips_blanks or dialect.delimiter == " ",
    )  # fmt: skip
    for cells in reader:
        if cells and (len(cells) > 1 or cells[0].strip()):
            yield reader.line_num, cells


def looks_like_header(first: Sequence[str], below: Sequence[Sequence[str]], missing: Sequence[str]) -> bool:
    """Whether a record differs from those below it: words above numbers, or values that no other record has."""
    cells = [cell.strip() for cell in first]
    is_number = np.isfinite(parse_numbers(pa.array(cells, pa.string())).values).tolist()
    if not below:
        return not any(is_number)
    columns = [
        [value for value in map(str.strip, column) if value not in missing] for column in zip(*below, strict=False)
    ]
    for cell, number, column in zip(cells, is_number, columns, strict=False):
        if not number and cell not in missing and column and is_numeric(pa.array(column, pa.string())):
            return True
    if any(is_number) or any(len(cell) > MAX_NAME_CHARS for cell in cells) or len(set(cells)) < len(cells):
        return False
    pairs = list(zip(cells, columns, strict=False))
    if any(cell.lower() in TYPICAL_NAMES and cell not in column for cell, column in pairs):
        return True
    repeating = [(cell, set(column)) for cell, column in pairs if len(set(column)) <= len(column) / 2]
    return bool(repeating) and all(cell not in values for cell, values in repeating)


def _find_outside_quotes(lines: list[str], delimiters: Sequence[str]) -> list[str]:
    """The delimiters that at least half of the records have outside of quoted cells."""
    unquoted = QUOTED_CELL.sub('""', "\n".join(lines)).split("\n")
    records = [stripped for line in unquoted if (stripped := line.strip(" "))]
    return [each for each in delimiters if 2 * sum(each in record for record in records) >= len(records)]


def _has_even_header(lines: list[str], dialect: Dialect) -> bool:
    """Whether the first record has the commonest number of cells."""
    widths = [len(cells) for _, cells in islice(parse_records(lines, dialect), HEADER_ROWS)]
    return widths[0] == Counter(widths).most_common(1)[0][0]


def _evenness(lines: list[str], dialect: Dialect) -> float:
    """The fraction of the records that have the commonest number of cells; 0 if that number is one."""
    widths = Counter(len(cells) for _, cells in parse_records(lines, dialect))
    width, count = widths.most_common(1)[0]
    return count / widths.total() if width > 1 else 0.0


def _detect_quoting(lines: list[str], delimiter: str, table: TableFormat, *, is_whole: bool) -> Dialect:
    """Quotes enclose cells, unless that would break lines apart and ignoring the quotes would not."""
    plain, quoted = Dialect(delimiter, is_quoted=False), Dialect(delimiter, is_quoted=True)
    if table.quoting is False:
        return plain
    if not any('"' in line for line in lines):
        return quoted
    skipping = quoted._replace(skips_blanks=True)
    if _evenness(lines, skipping) > _evenness(lines, quoted):
        quoted = skipping
    if table.quoting is True:
        return quoted
    evenness, without = _evenness(lines, quoted), _evenness(lines, plain)
    if _has_stray_quotes(lines, quoted, is_whole=is_whole):
        return quoted if evenness > without + 5 * ALMOST else plain
    return quoted if evenness >= without - ALMOST else plain


def _has_stray_quotes(lines: list[str], dialect: Dialect, *, is_whole: bool) -> bool:
    """Whether a quote opens that does not close, or closes within a cell."""
    end = 0
    try:
        for end, _ in parse_records(lines, dialect, strict=True):  # noqa: B007 - the last is needed below
            pass
    except csv.Error as error:
        is_cut = not is_whole and "end of data" in str(error) and end >= len(lines) * (1 - CUT_FRACTION)
        return not is_cut
    return False


def _first_lines(path: Path, table: TableFormat) -> tuple[list[str], bool]:
    """Complete lines after those to be skipped, and whether they are the whole file."""
    text, is_whole = "", True
    for block in read_text_blocks(path, table.encoding):
        if len(text) >= SAMPLE_CHARS:
            is_whole = False
            break
        text += block
    lines = text.split("\n")
    if lines[-1] == "" or (not is_whole and len(lines) > 1):
        lines.pop()
    return lines[table.skip_lines :], is_whole


def _begins_with_junk(records: list[tuple[int, list[str]]]) -> bool:
    """Whether the first record is a single cell, and almost all others share another number of cells."""
    if len(records) < 2 or len(records[0][1]) > 1:  # noqa: PLR2004 - a first and another
        return False
    width, count = Counter(len(cells) for _, cells in records[1:]).most_common(1)[0]
    return width > 1 and count >= 0.9 * (len(records) - 1)


def _has_header(first: list[str], below: list[list[str]], table: TableFormat) -> bool:
    if table.header != "auto":
        return table.header
    if table.names is not None:
        return first == table.names
    return looks_like_header(first, below, table.missing_cells)
