"""Reads JSON lines: one object of scalars per line; the target may be a list of labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.table_file import FileRows, OpenTableFile, check_unique_names
from headrace.data.table.reading.text_stream import read_text_blocks
from headrace.errors import DataError
from headrace.storage.label_codec import encode_names

ROWS_PER_BATCH = 1024
HEAD_ROWS = 20_000
"""Rows whose keys are the columns."""


def open_jsonl(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Opens a file whose columns are the keys of its first rows, and later keys that `ingest.columns` names.

    A key that a line lacks is null. `expected`: the columns of the whole table, if they are known.
    """
    names = expected
    if names is None:
        names = _find_keys(path, options)
        if not names:
            raise DataError(f"{path}: is empty; give a table that has rows")
    check_unique_names(path, names)
    return OpenTableFile(names, _batches(path, options, names), options.table)


def _find_keys(path: Path, options: ReadOptions) -> list[str]:
    rows = _rows(path, options)
    keys = dict.fromkeys(key for _, row in islice(rows, HEAD_ROWS) for key in row)
    wanted = options.columns.keys() - keys
    while wanted and (item := next(rows, None)):  # reads the whole file, so only if a column is not there yet
        keys |= dict.fromkeys(sorted(wanted & item[1].keys()))
        wanted -= item[1].keys()
    return list(keys)


def _batches(path: Path, options: ReadOptions, names: list[str]) -> Iterator[FileRows]:
    schema, known = pa.schema([(name, pa.string()) for name in names]), frozenset(names)
    rows = _rows(path, options)
    while batch := list(islice(rows, ROWS_PER_BATCH)):
        for line, row in batch:
            if not row.keys() <= known:
                raise _unknown_key(path, line, next(key for key in row if key not in known))
        cells = ([_to_text(path, line, name, row.get(name), options) for line, row in batch] for name in names)
        arrays = [pa.array(column, pa.string()) for column in cells]
        yield FileRows(pa.record_batch(arrays, schema=schema), pa.array([line for line, _ in batch], pa.int64()))


def _rows(path: Path, options: ReadOptions) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number and the object of each line."""
    for number, line in enumerate(_lines(path, options.table.encoding), 1):
        if number <= options.table.skip_lines or not line.strip():
            continue
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
        yield number, row


def _lines(path: Path, encoding: str) -> Iterator[str]:
    rest = ""
    for block in read_text_blocks(path, encoding):
        *lines, rest = (rest + block).split("\n")
        yield from lines
    yield rest


def _to_text(path: Path, line: int, name: str, value: Any, options: ReadOptions) -> str | None:
    """A scalar as text, as in Parquet: numbers in their shortest exact form, 1.0 as 1, booleans as in JSON."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()  # lone surrogates
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return repr(value)
    if isinstance(value, float):
        text = repr(value)
        return str(pa.scalar(value).cast(pa.string())) if "e" in text else text.removesuffix(".0")
    if isinstance(value, list) and options.targets == [name]:
        return encode_names(value).encode("utf-8", "replace").decode()
    raise DataError(
        f"{path}: line {line}: {name!r} is a JSON {_json_type(value)}; cells must be texts, numbers, booleans or null;"
        " flatten it, or name it as ingest.target if it is a list of labels"
    )


def _json_type(value: Any) -> str:
    return {dict: "object", list: "array", str: "text", type(None): "null"}.get(type(value), "number")


def _unknown_key(path: Path, line: int, key: str) -> DataError:
    return DataError(
        f"{path}: line {line}: {key!r} is a key that none of the first {HEAD_ROWS} rows has; name it in params.yaml:"
        f" ingest.columns, such as {{{key}: ignore}}"
    )
