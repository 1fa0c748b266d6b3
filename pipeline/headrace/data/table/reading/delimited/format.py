"""How lines are parted into cells: the delimiter, and whether quotes enclose cells.

Whether the first record of a table names its columns.

Where the rows of a text table begin and what its columns are called, found out from its first lines.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from headrace.data.sources.read_options import TableFormat
from headrace.data.table.reading.text_stream import text_blocks
from headrace.errors import ConfigError, DataError

DELIMITERS = ("\t", ";", "|", ",", " ")
"""The likelier first where several part the lines evenly: decimal commas are commoner than lists by semicolons."""
ALMOST = 0.01
CUT_SHARE = 0.1
"""Of a sample: a quote that opens in its last tenth and does not close may close beyond it."""
NO_LIMIT = 2**31 - 1


class Dialect(NamedTuple):
    """How one line becomes cells."""

    delimiter: str
    is_quoted: bool
    skips_blanks: bool = False
    """Blanks may stand between a delimiter and the quote after it."""


def find_dialect(lines: list[str], table: TableFormat, *, is_whole: bool) -> Dialect:
    """The dialect under which most of the first lines have the same number of cells, and more than one."""
    delimiters = DELIMITERS if table.delimiter == "auto" else (table.delimiter,)
    scored = [(_evenness(lines, dialect), dialect) for dialect in
              (_quoting(lines, delimiter, table, is_whole=is_whole) for delimiter in delimiters)]  # fmt: skip
    best = max(score for score, _ in scored)
    if best == 0 and table.delimiter == "auto":  # one column
        return Dialect(",", next(dialect.is_quoted for _, dialect in scored if dialect.delimiter == ","))
    return next(dialect for score, dialect in scored if score >= best - ALMOST)


def records(lines: list[str], dialect: Dialect, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Cells of each record, and the number of lines up to its end; empty lines are left out.

    Raises csv.Error, with `strict`, where quotes do not enclose whole cells.
    """
    if not dialect.is_quoted:
        separator = None if dialect.delimiter == " " else dialect.delimiter
        yield from ((number, line.split(separator)) for number, line in enumerate(lines, 1) if line.strip())
        return
    csv.field_size_limit(NO_LIMIT)  # else a text of 128 KiB is an error
    reader = csv.reader(
        (f"{line}\n" for line in lines), delimiter=dialect.delimiter, strict=strict,
        skipinitialspace=dialect.skips_blanks or dialect.delimiter == " ",
    )  # fmt: skip
    for cells in reader:
        if cells and (len(cells) > 1 or cells[0].strip()):
            yield reader.line_num, cells


def _evenness(lines: list[str], dialect: Dialect) -> float:
    """The share of the records that have the commonest number of cells; 0 where that is one."""
    widths = Counter(len(cells) for _, cells in records(lines, dialect))
    width, count = widths.most_common(1)[0]
    return count / widths.total() if width > 1 else 0.0


def _quoting(lines: list[str], delimiter: str, table: TableFormat, *, is_whole: bool) -> Dialect:
    """Quotes count, unless they tear the lines and leaving them alone does not."""
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
    if _is_torn(lines, quoted, is_whole=is_whole):
        return quoted if evenness > without + 5 * ALMOST else plain
    return quoted if evenness >= without - ALMOST else plain


def _is_torn(lines: list[str], dialect: Dialect, *, is_whole: bool) -> bool:
    """Whether a quote opens that does not close, or closes within a cell."""
    end = 0
    try:
        for end, _ in records(lines, dialect, strict=True):  # noqa: B007 - the last is needed below
            pass
    except csv.Error as error:
        is_cut = not is_whole and "end of data" in str(error) and end >= len(lines) * (1 - CUT_SHARE)
        return not is_cut
    return False


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
NAMES = frozenset(
    [
        *("category", "class", "diagnosis", "id", "income", "label", "labels", "outcome", "sentence", "sentiment"),
        *("species", "survived", "target", "text", "y"),
    ]
)
"""Lower-case names that hardly are values."""
LONGEST_NAME = 64
MOSTLY = 0.95


def is_header(first: Sequence[str], below: Sequence[Sequence[str]], missing: Sequence[str]) -> bool:
    """Whether a record looks unlike those below it: words over numbers, or a value that no record below has."""
    cells = [cell.strip() for cell in first]
    if not below:
        return not any(NUMBER.fullmatch(cell) for cell in cells)
    columns = [
        [value for value in map(str.strip, column) if value not in missing] for column in zip(*below, strict=False)
    ]
    numeric = [_is_numeric(column) for column in columns]
    pairs = list(zip(cells, columns, numeric, strict=False))
    if any(over and cell not in missing and not NUMBER.fullmatch(cell) for cell, _, over in pairs):
        return True
    if any(NUMBER.fullmatch(cell) or len(cell) > LONGEST_NAME for cell in cells) or len(set(cells)) < len(cells):
        return False
    if any(cell.lower() in NAMES and cell not in column for cell, column, _ in pairs):
        return True
    repeating = [(cell, set(column)) for cell, column, _ in pairs if len(set(column)) <= len(column) / 2]
    return bool(repeating) and all(cell not in values for cell, values in repeating)


def _is_numeric(column: list[str]) -> bool:
    return bool(column) and sum(bool(NUMBER.fullmatch(cell)) for cell in column) >= MOSTLY * len(column)


SAMPLE_CHARS = 1024 * 1024
HEADER_ROWS = 1000
"""How many rows a first line is compared with."""


class Layout(NamedTuple):
    """What a parser must know."""

    names: list[str]
    dialect: Dialect
    num_skipped: int
    """Lines before the first row: of what is to be left out, and of the header."""
    has_header: bool
    note: str
    """What the user should know of it."""


def find_layout(path: Path, table: TableFormat) -> Layout:
    """Looks at the first lines; raises DataError where there are none and ConfigError for the wrong number of names."""
    lines, is_whole = _first_lines(path, table)
    num_skipped = table.skip_lines + next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    lines = lines[num_skipped - table.skip_lines :]
    if not lines:
        raise DataError(f"{path}: is empty; give a table that has rows")
    dialect = find_dialect(lines, table, is_whole=is_whole)
    found = list(islice(records(lines, dialect), HEADER_ROWS))
    note = ""
    if _begins_with_junk(found):
        end, cells = found.pop(0)
        note = f"{path}: left out line {num_skipped + end}, which is no row: {cells[0][:80]!r}"
        lines, num_skipped = lines[end:], num_skipped + end
        found = [(number - end, cells) for number, cells in found]
    first = [cell.strip() for cell in found[0][1]]
    below = [cells for _, cells in found[1:]]
    has_header = _has_header(first, below, table)
    names = table.names or (_named(first) if has_header else [f"column_{index}" for index in range(len(first))])
    if len(names) != len(first):
        raise ConfigError(
            f"params.yaml: ingest.table.names: got {len(names)} names, but {path} has {len(first)} columns"
            f" (delimiter {dialect.delimiter!r}); give as many names, or mend ingest.table.delimiter"
        )
    return Layout(names, dialect, num_skipped + (found[0][0] if has_header else 0), has_header, note)


def _first_lines(path: Path, table: TableFormat) -> tuple[list[str], bool]:
    """Whole lines after those that are to be skipped, and whether these are all."""
    blocks, text = text_blocks(path, table.encoding), ""
    is_whole = True
    for block in blocks:
        if len(text) >= SAMPLE_CHARS:
            is_whole = False
            break
        text += block
    lines = text.split("\n")
    if lines[-1] == "" or (not is_whole and len(lines) > 1):
        lines.pop()
    return lines[table.skip_lines :], is_whole


def _begins_with_junk(found: list[tuple[int, list[str]]]) -> bool:
    """Whether the first record is one cell, and almost every other has as many as the next, but more than one."""
    if len(found) < 2 or len(found[0][1]) > 1:  # noqa: PLR2004 - a first and another
        return False
    width, count = Counter(len(cells) for _, cells in found[1:]).most_common(1)[0]
    return width > 1 and count >= 0.9 * (len(found) - 1)


def _has_header(first: list[str], below: list[list[str]], table: TableFormat) -> bool:
    if table.header != "auto":
        return table.header
    if table.names is not None:
        return first == table.names
    return is_header(first, below, table.missing)


def _named(first: list[str]) -> list[str]:
    """Names of a header; cells without one are called by their place."""
    return [cell or f"column_{index}" for index, cell in enumerate(first)]
