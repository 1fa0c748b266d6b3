"""How lines are parted into cells: the delimiter, and whether quotes enclose cells."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from headrace.modalities.options import TableFormat

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
