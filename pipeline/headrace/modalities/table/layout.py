"""Where the rows of a text table begin and what its columns are called, found out from its first lines."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from headrace.errors import ConfigError, DataError
from headrace.modalities.options import TableFormat
from headrace.modalities.table.dialect import Dialect, find_dialect, records
from headrace.modalities.table.header import is_header
from headrace.modalities.table.lines import text_blocks

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
