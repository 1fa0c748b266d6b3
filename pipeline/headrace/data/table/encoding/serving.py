"""Checks and encodes the rows of a prediction request. Copied into served table models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.data.request_rows import InvalidRowError, check_columns, is_missing, quote, replace_lone_surrogates
from headrace.data.table.encoding.encode import encode_batch
from headrace.data.table.number_format import PLAIN, NumberFormat
from headrace.data.table.parsing import (
    DateOrder,
    ParsedNumbers,
    parse_dates,
    parse_numbers,
    parse_times,
    strip_whitespace,
)

Json = dict[str, Any]
TRUTH_VALUES = {"true", "false"}


class Encoder:
    """Rows by the source's column names -> the graph's inputs."""

    def __init__(self, card: Json, artifacts: dict[str, str]) -> None:
        """Reads `columns` and `inputs` of `card`, as in `transform.json`.

        It may have `left_out` and `other_columns`, which may be sent and are not used; `missing`, cells that stand
        for a missing value; and `source_names`, the source's names of columns that `ingest` renamed.
        """
        del artifacts
        self._card = card
        new_names = card.get("source_names", {})
        self._names = [new_names.get(column["name"], column["name"]) for column in card["columns"]]
        left_out = [new_names.get(entry["name"], entry["name"]) for entry in card.get("left_out", [])]
        self._unused = [*left_out, *card.get("other_columns", [])]
        self._missing = frozenset(("", *card.get("missing", ())))

    def __call__(self, rows: list[Json]) -> NDArray[np.float32]:
        """-> float32 `[rows, inputs]`; raises InvalidRowError."""
        return encode_batch(self.parse_rows(rows), self._card)

    def parse_rows(self, rows: list[Json]) -> pa.RecordBatch:
        """Converts rows (column -> text, number, date, boolean or None) to a batch for `encode_batch`.

        Missing cells become null, as in training. Raises InvalidRowError for a row without any value, and for a
        cell that is nested, or is not of its column's kind.
        """
        check_columns(rows, self._names, self._unused)
        columns = {
            column["name"]: _parse_column(name, [row[name] for row in rows], column, self._missing)
            for name, column in zip(self._names, self._card["columns"], strict=True)
        }
        is_empty = np.ones(len(rows), np.bool_)
        for cells in columns.values():
            is_empty &= cells.is_null().to_numpy(zero_copy_only=False)
        if is_empty.any():
            raise InvalidRowError(
                int(is_empty.argmax()), None, "no column has a value; send at least one, or leave the row out"
            )
        return pa.record_batch(columns)


def _parse_column(name: str, cells: list[Any], column: Json, missing: frozenset[str]) -> pa.Array:
    categories, missing = frozenset(column.get("values", ())), missing.union(column.get("missing", ()))
    texts = [_to_text(name, row, cell, categories, missing) for row, cell in enumerate(cells)]
    text = pa.array(texts, pa.string())
    if column["kind"] == "categorical":
        return strip_whitespace(text)
    if column["kind"] == "date":
        return pa.array(_parse_dates(name, cells, text, column.get("order")), pa.timestamp("us"))
    if column["kind"] == "time":
        times = parse_times(text)
        _refuse_first(times.is_invalid, name, cells, "is not a time of day; send HH:MM, or null if it is unknown")
        return pa.array(times.values, pa.float64(), mask=np.isnan(times.values))
    numbers = _parse_numbers(cells, text, NumberFormat(**column.get("number_format", {})))
    remedy = "send a finite number, or null if it is unknown"
    _refuse_first(numbers.is_invalid, name, cells, f"is not a number; {remedy}")
    _refuse_first(np.isinf(numbers.values), name, cells, f"is not a finite number; {remedy}")
    return pa.array(numbers.values, pa.float64(), mask=np.isnan(numbers.values))


def _parse_numbers(cells: list[Any], text: pa.Array, number_format: NumberFormat) -> ParsedNumbers:
    """Parses texts in the notation of the source, and numbers as they are."""
    plain = parse_numbers(text)
    if number_format == PLAIN:
        return plain
    is_text = np.array([isinstance(cell, str) for cell in cells], np.bool_)
    formatted = parse_numbers(text, number_format)
    return ParsedNumbers(
        np.where(is_text, formatted.values, plain.values), np.where(is_text, formatted.is_invalid, plain.is_invalid)
    )


def _refuse_first(is_invalid: NDArray[np.bool_], name: str, cells: list[Any], problem: str) -> None:
    if is_invalid.any():
        row = int(is_invalid.argmax())
        raise InvalidRowError(row, name, f"{quote(cells[row])} {problem}")


def _parse_dates(name: str, cells: list[Any], text: pa.Array, order: DateOrder | None) -> NDArray[np.datetime64]:
    """Reads dates in the train rows' order of day and month.

    Where no train row showed it, a cell that is a different date in either order is refused: a guess from the other
    rows of the request would let rows change each other's answers.
    """
    remedy = "send YYYY-MM-DD, or null if it is unknown"
    if order:
        dates = parse_dates(text, order)
        _refuse_first(dates.is_invalid, name, cells, f"is not a date; {remedy}")
        return dates.values
    day_first, month_first = parse_dates(text, "dmy"), parse_dates(text, "mdy")
    _refuse_first(day_first.is_invalid & month_first.is_invalid, name, cells, f"is not a date; {remedy}")
    is_either = ~np.isnat(day_first.values) & ~np.isnat(month_first.values)
    is_ambiguous = is_either & (day_first.values != month_first.values)
    _refuse_first(is_ambiguous, name, cells, f"is ambiguous between day first and month first; {remedy}")
    return np.where(np.isnat(day_first.values), month_first.values, day_first.values)


def _to_text(name: str, row: int, cell: Any, categories: frozenset[str], missing: frozenset[str]) -> str | None:
    """The cell as text, as the source would write it; None if it is missing."""
    if isinstance(cell, str):
        text = replace_lone_surrogates(cell).strip()
        if text.lower() not in TRUTH_VALUES:
            return None if text in missing else text
        spellings = [text, *_spell_truth(text)]
    elif is_missing(cell):
        return None
    elif hasattr(cell, "__len__"):
        kind = type(cell).__name__
        raise InvalidRowError(row, name, f"{quote(cell)} is a {kind}; send one text, number, boolean or null")
    else:
        text = str(cell)
        spellings = _spell_truth(text) if text.lower() in TRUTH_VALUES else _spell_number(text)
    if not missing.isdisjoint(spellings):
        return None
    return next((spelling for spelling in spellings if spelling in categories), spellings[0])


def _spell_truth(text: str) -> list[str]:
    """The ways in which programs write a truth value, the usual one first."""
    return [text.lower(), text.capitalize(), text.upper()]


def _spell_number(text: str) -> list[str]:
    """The ways in which programs write a number, the usual one first: `3` and `3.0`."""
    if text.endswith(".0"):
        return [text[:-2], text]
    return [text, f"{text}.0"] if text.lstrip("-").isdigit() else [text]
