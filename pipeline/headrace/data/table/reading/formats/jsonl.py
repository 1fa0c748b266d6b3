"""Reads JSON lines: one object of scalars per line; the target may be a list of labels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.cell_text import batch_values, format_scalar
from headrace.data.table.reading.formats.json_blocks import BlockParser
from headrace.data.table.reading.table_file import FileRows, OpenTableFile, check_unique_names
from headrace.data.table.reading.text_stream import read_line_blocks
from headrace.errors import DataError
from headrace.storage.label_codec import encode_names

HEAD_ROWS = 20_000
"""Rows whose keys are the columns."""


def open_jsonl(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Opens a file whose columns are the keys of its first rows, and later keys that `ingest.columns` names.

    A key that a line lacks is null. `expected`: the columns of the whole table, if they are known.
    """
    names = expected
    if names is None:
        names = find_keys(_rows(path, options), options)
        if not names:
            raise DataError(f"{path}: is empty; give a table that has rows")
    check_unique_names(path, names)
    return OpenTableFile(names, _read(path, names, options), options.table)


def find_keys(rows: Iterator[tuple[int, dict[str, Any]]], options: ReadOptions) -> list[str]:
    """The keys of the first rows, and later ones that `ingest.columns` names."""
    keys = dict.fromkeys(key for _, row in islice(rows, HEAD_ROWS) for key in row)
    wanted = options.columns.keys() - keys
    while wanted and (item := next(rows, None)):  # reads the whole file, so only if a column is not there yet
        keys |= dict.fromkeys(sorted(wanted & item[1].keys()))
        wanted -= item[1].keys()
    return list(keys)


def batch_objects(
    path: Path, rows: Iterable[tuple[int, dict[str, Any]]], names: list[str], options: ReadOptions, place: str = "line"
) -> Iterator[FileRows]:
    """Converts objects, each with its number, to cells; `place`: what errors call the number.

    Raises DataError for a key that is not among the names, and for a value that is no cell.
    """
    known, num_names = frozenset(names), len(names)
    pick = itemgetter(*names) if num_names > 1 else lambda row: (row[names[0]],)

    def to_values(number: int, row: dict[str, Any]) -> Sequence[Any]:
        if len(row) == num_names:
            try:
                return pick(row)
            except KeyError:
                pass
        if not row.keys() <= known:
            raise _unknown_key(f"{path}: {place} {number}", next(key for key in row if key not in known))
        return [row.get(name) for name in names]

    def to_cells(number: int, values: Sequence[Any]) -> list[str | None]:
        where = f"{path}: {place} {number}"
        return [_to_text(where, name, value, options) for name, value in zip(names, values, strict=True)]

    return batch_values(((number, to_values(number, row)) for number, row in rows), names, to_cells)


def _read(path: Path, names: list[str], options: ReadOptions) -> Iterator[FileRows]:
    """The rows of the lines, a block of text at a time."""
    parser = BlockParser(names)
    for block in _blocks(path, options):
        numbers, lines = zip(*block, strict=True)
        cells = parser.parse(lines)
        if cells is None:
            yield from batch_objects(path, (_parse(path, *line) for line in block), names, options)
        else:
            yield FileRows(cells, pa.array(numbers, pa.int64()))


def _rows(path: Path, options: ReadOptions) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number and the object of each line."""
    for block in _blocks(path, options):
        for number, line in block:
            yield _parse(path, number, line)


def _blocks(path: Path, options: ReadOptions) -> Iterator[list[tuple[int, str]]]:
    """The lines that are not blank, without blanks at their ends, with their numbers; a block of text at a time."""
    first = 1
    for lines in read_line_blocks(path, options.table.encoding):
        numbered = [
            (number, line.strip(" \t\r"))
            for number, line in enumerate(lines, first)
            if number > options.table.skip_lines and line.strip()
        ]
        first += len(lines)
        if numbered:
            yield numbered


def _parse(path: Path, number: int, line: str) -> tuple[int, dict[str, Any]]:
    """The number and the object of a line; raises DataError if it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = str(error).partition(": line ")[0]
        raise DataError(
            f"{path}: line {number}: invalid JSON ({reason}); each line must be a complete object; fix that line"
        ) from None
    if not isinstance(row, dict):
        raise DataError(
            f"{path}: line {number}: contains a JSON {_json_type(row)}; each line must be an object, such as"
            ' {"text": "fine", "label": "good"}; write one row per line'
        )
    return number, row


def _to_text(where: str, name: str, value: Any, options: ReadOptions) -> str | None:
    if isinstance(value, list) and options.targets == [name]:
        return encode_names(value).encode("utf-8", "replace").decode()
    if isinstance(value, list | dict):
        if options.columns.get(name) == "ignore":
            return None
        raise DataError(
            f"{where}: {name!r} is a JSON {_json_type(value)}; cells must be texts, numbers, booleans or null;"
            f" flatten it, set ingest.columns: {{{name}: ignore}}, or name it as ingest.target if it is a list of"
            " labels"
        )
    return format_scalar(value)


def _json_type(value: Any) -> str:
    return {dict: "object", list: "array", str: "text", type(None): "null"}.get(type(value), "number")


def _unknown_key(where: str, key: str) -> DataError:
    return DataError(
        f"{where}: {key!r} is a key that none of the first {HEAD_ROWS} rows has; name it in params.yaml:"
        f" ingest.columns, such as {{{key}: ignore}}"
    )
