"""Reads JSON files that are one document: an array of objects, streamed, or an object of columns, within a limit.

JSON lines have a module of their own; the beginning of a file decides which of them it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from headrace.contracts import Assumption
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.jsonl import batch_objects, find_keys, open_jsonl
from headrace.data.table.reading.table_file import OpenTableFile, check_unique_names
from headrace.data.table.reading.text_stream import BLOCK_BYTES, read_text_blocks
from headrace.errors import DataError

MAX_DOCUMENT_CHARS = 256 * 2**20
"""An object of columns is held in memory, in some ten times as many bytes."""
MAX_ROW_CHARS = 64 * 2**20
"""Characters of one object of an array."""
BLANKS = " \t\r\n"
BLANK, COMMA, END = re.compile(r"[ \t\r\n]*"), re.compile(r"[ \t\r\n]*,[ \t\r\n]*"), re.compile(r"[ \t\r\n]*\]")
REMEDY = "fix it, or write one object per line (JSON lines)"
Objects = Iterator[tuple[int, dict[str, Any]]]


def open_json(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Opens a file of JSON in any of its forms; raises DataError for one that is no table."""
    first = next(read_text_blocks(path, options.table.encoding), "").lstrip(BLANKS)
    if options.table.skip_lines or not _is_document(path, first):
        return open_jsonl(path, options, expected)
    assumptions = list[Assumption]()
    if first.startswith("["):

        def read() -> Objects:
            return _read_array(path, options.table.encoding)

    else:
        rows, assumptions = _read_object(path, options.table.encoding)

        def read() -> Objects:
            return enumerate(rows)

    names = expected if expected is not None else find_keys(read(), options)
    if not names:
        raise DataError(f"{path}: has no rows; give a table that has rows")
    check_unique_names(path, names)
    batches = batch_objects(path, read(), names, options, place="row")
    return OpenTableFile(names, batches, options.table, "index", assumptions=assumptions)


def _is_document(path: Path, text: str) -> bool:
    """Whether a file with this beginning is one document rather than lines of objects."""
    if text.startswith("["):
        return True
    line, end, rest = text.partition("\n")
    if not line.startswith("{"):
        return False
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # an object over several lines
        return path.suffix.lower() == ".json"
    if not isinstance(row, dict) or not row or (end and rest.strip(BLANKS)):
        return False
    values = row.values()
    return all(isinstance(value, list | dict) for value in values) or any(map(_is_list_of_objects, values))


def _read_array(path: Path, encoding: str) -> Objects:
    """The objects of an array with their indices: as many at a time as a block has, or one by one where that fails."""
    decoder, blocks = json.JSONDecoder(), read_text_blocks(path, encoding)
    text, index, position = next(blocks, "").lstrip(BLANKS)[1:], 0, 0
    while not (end := END.match(text, position)):
        if not position:
            rows, position = _parse_block(text, index)
            yield from enumerate(rows, index)
            index += len(rows)
            if rows:
                continue
        try:
            row, after = decoder.raw_decode(text, _find_item(text, position, index))
        except (ValueError, RecursionError) as error:  # perhaps because the object goes on in the next block
            text, position = text[position:], 0
            more = "".join(islice(blocks, 1 + len(text) // BLOCK_BYTES))
            if not more or len(text) > MAX_ROW_CHARS:
                reason = str(error).partition(": line ")[0]
                raise DataError(f"{path}: row {index}: invalid JSON ({reason}); {REMEDY}") from None
            text += more
            continue
        if not isinstance(row, dict):
            raise DataError(
                f"{path}: row {index} is no object; an array must contain objects, such as"
                ' [{"text": "fine", "label": "good"}]; ' + REMEDY
            )
        yield index, row
        index, position = index + 1, after
    rest = next((block.strip(BLANKS) for block in chain([text[end.end() :]], blocks) if block.strip(BLANKS)), "")
    if rest:
        raise DataError(f"{path}: goes on after the end of its array ({rest[:20]!r}); {REMEDY}")


def _parse_block(text: str, index: int) -> tuple[list[dict[str, Any]], int]:
    """The objects up to the last `}` of a text and the position behind it; none if that is not the end of an item."""
    try:
        begin, end = _find_item(text, 0, index), text.rfind("}") + 1
        rows = json.loads(f"[{text[begin:end]}]")
    except (ValueError, RecursionError):
        return [], 0
    return (rows, end) if all(isinstance(row, dict) for row in rows) else ([], 0)


def _find_item(text: str, position: int, index: int) -> int:
    """The position of the next item of an array; raises ValueError if there is no comma before it."""
    separator = (COMMA if index else BLANK).match(text, position)
    if separator is None:
        raise ValueError("Expecting ',' delimiter")
    return separator.end()


def _read_object(path: Path, encoding: str) -> tuple[list[dict[str, Any]], list[Assumption]]:
    """The rows of an object of columns, of the layouts of pandas, or of an object with one list of objects."""
    text = ""
    for block in read_text_blocks(path, encoding):
        text += block
        if len(text) > MAX_DOCUMENT_CHARS:
            raise DataError(
                f"{path}: is a JSON object of more than {MAX_DOCUMENT_CHARS:,} characters, which cannot be read in"
                " parts; write one object per row: an array of objects, or JSON lines"
            )
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: invalid JSON ({error}); {REMEDY}") from None
    if {"columns", "data"} <= document.keys() and all(isinstance(document[key], list) for key in ("columns", "data")):
        names = [str(name) for name in document["columns"]]
        if all(isinstance(row, list) and len(row) == len(names) for row in document["data"]):
            check_unique_names(path, names)
            return [dict(zip(names, row, strict=True)) for row in document["data"]], []
    lists = [key for key, value in document.items() if _is_list_of_objects(value)]
    if len(lists) == 1:
        text = f"the rows are the list {lists[0]!r} of the object; what else it contains is left out"
        setting = "none: write the rows as an array"
        return document[lists[0]], [Assumption(stage="ingest", subject="rows", text=text, setting=setting)]
    return _to_rows(path, document), []


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _to_rows(path: Path, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of columns that are lists, or objects with a key for each row."""
    columns: dict[str, list[Any]] = {}
    keys: list[str] | None = None
    for name, values in document.items():
        if isinstance(values, dict):
            keys = list(values) if keys is None else keys
            if values.keys() != set(keys):
                raise DataError(f"{path}: column {name!r} has other rows than those before it; {REMEDY}")
            columns[name] = [values[key] for key in keys]
        elif isinstance(values, list):
            columns[name] = values
        else:
            raise DataError(
                f"{path}: is an object whose {name!r} is no column; must be an array of objects, or an object of"
                f' columns such as {{"size": [1, 2], "label": ["p", "q"]}}; {REMEDY}'
            )
    sizes = {name: len(values) for name, values in columns.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(
            f"{path}: its columns have different numbers of rows, {dict(islice(sizes.items(), 5))}; {REMEDY}"
        )
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
