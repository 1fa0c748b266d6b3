"""Reads dense ARFF, the format of Weka and of many tables of OpenML and UCI.

scipy's reader refuses attributes of type string, and liac-arff has had no release since 2020. Format:
https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.cell_text import batch_rows
from headrace.data.table.reading.table_file import OpenTableFile, check_same_columns, check_unique_names
from headrace.data.table.reading.text_stream import read_lines
from headrace.errors import DataError

ATTRIBUTE = re.compile(r"""(?i)@attribute\s+(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s'"{]+))\s*(\S.*)""")
CELL = re.compile(r"""\s*(?:(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*|([^,'"\s][^,]*|))(?:,|$)""")
"""A quoted or unquoted cell, up to the comma after it or the end of the line."""
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
MAX_COLUMNS = 100_000


def open_arff(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Reads the header; raises DataError for a file without one, and for relational attributes."""
    names = _read_names(path, options.table.encoding)
    check_unique_names(path, names)
    if expected is not None:
        check_same_columns(path, names, expected)
    rows = _read_rows(path, options.table.encoding, len(names))
    return OpenTableFile(names, batch_rows(rows, names), options.table)


def _read_names(path: Path, encoding: str) -> list[str]:
    names: list[str] = []
    for number, line in _number_lines(path, encoding):
        word = line.split(None, 1)[0].lower()
        if word == "@data":
            if not names:
                break
            return names
        if word == "@attribute":
            names.append(_read_attribute(path, number, line))
        elif word != "@relation" or len(names) > MAX_COLUMNS:
            raise DataError(
                f"{path}: line {number}: {line[:40]!r} is no part of an ARFF header, which has @relation, @attribute"
                f" and @data, and at most {MAX_COLUMNS:,} attributes; fix that line"
            )
    raise DataError(f"{path}: has no lines @attribute and @data; give an ARFF file that has rows")


def _read_attribute(path: Path, number: int, line: str) -> str:
    match = ATTRIBUTE.fullmatch(line)
    if match is None:
        raise DataError(
            f"{path}: line {number}: {line[:40]!r} must be @attribute NAME TYPE, with quotes around a name that has"
            " blanks; fix that line"
        )
    if match[4].lower().startswith("relational"):
        raise DataError(f"{path}: line {number}: relational attributes are not supported; write a flat table")
    return _unescape(match[1] if match[1] is not None else match[2] if match[2] is not None else match[3])


def _read_rows(path: Path, encoding: str, num_columns: int) -> Iterator[tuple[int, list[str | None]]]:
    """The rows below @data, each with its line."""
    is_data = False
    for number, line in _number_lines(path, encoding):
        if not is_data:
            is_data = line.lower().startswith("@data")
            continue
        cells = _split_cells(path, number, line)
        if len(cells) != num_columns:
            raise DataError(
                f"{path}: line {number}: has {len(cells)} cells, the table has {num_columns} columns; fix that line"
            )
        yield number, cells


def _split_cells(path: Path, number: int, line: str) -> list[str | None]:
    if line.startswith("{"):
        raise DataError(f"{path}: line {number}: is sparse, which is not supported; save it as dense ARFF or CSV")
    if "'" not in line and '"' not in line:
        return [None if (cell := part.strip()) == "?" else cell for part in line.split(",")]
    cells: list[str | None] = []
    position = 0
    while position < len(line) or line[position - 1] == ",":
        match = CELL.match(line, position)
        if match is None:
            raise DataError(f"{path}: line {number}: has a quote that does not enclose a cell; fix that line")
        quoted = match[1] if match[1] is not None else match[2]
        bare = (match[3] or "").strip()
        cells.append(_unescape(quoted) if quoted is not None else None if bare == "?" else bare)
        if match.end() == position:
            break
        position = match.end()
    return cells


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), text) if "\\" in text else text


def _number_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines that are not empty or comments, with their numbers."""
    for number, line in enumerate(read_lines(path, encoding), 1):
        text = line.strip()
        if text and not text.startswith("%"):
            yield number, text
