"""Checks and encodes the rows of a prediction request. Copied into served table models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.data.request_rows import (
    Encoded,
    Problem,
    check_columns,
    is_missing,
    name_kind,
    quote,
    replace_lone_surrogates,
)
from headrace.data.table.encoding.encode import encode_batch
from headrace.data.table.number_format import PLAIN, NumberFormat
from headrace.data.table.parsing import (
    LARGEST,
    DateOrder,
    ParsedNumbers,
    parse_dates,
    parse_numbers,
    parse_times,
    strip_whitespace,
)
from headrace.data.text.repair import repair_text
from headrace.data.text.token_ids import TokenEncoder

Json = dict[str, Any]
Invalid: TypeAlias = "tuple[int, str, str]"
"""The row of an invalid cell, what is wrong with it, and what to do."""
CELL_REMEDY = "send one text, number, boolean or null"
NUMBER_REMEDY = "send a finite number, or null if it is unknown"
DATE_REMEDY = "send YYYY-MM-DD, or null if it is unknown"
TEXT_REMEDY = "send a text, or null if there is none"
TIME_REMEDY = "send HH:MM, or null if it is unknown"
TRUTH_VALUES = ("true", "false")


class Encoder:
    """Rows by the source's column names -> the graph's inputs."""

    def __init__(self, card: Json, artifacts: dict[str, str]) -> None:
        """Reads `columns` and `inputs` of `card`, as in `transform.json`, and for texts the artifact `tokenizer`.

        It may have `left_out` and `other_columns`, which may be sent and are not used; and `missing`, cells that stand
        for a missing value.
        """
        self._card = card
        self._token_encoders = _load_token_encoders(card, artifacts)
        self.columns = [column["name"] for column in card["columns"]]
        left_out = [entry["name"] for entry in card.get("left_out", [])]
        self._unused = [*left_out, *card.get("other_columns", [])]
        self._missing = frozenset(("", *card.get("missing", ())))
        markers = parse_numbers(pa.array(sorted(self._missing), pa.string())).values
        self._may_take_numbers = not np.isfinite(markers).any()  # -999 may stand for a missing value

    def __call__(self, rows: list[Json]) -> Encoded:
        """-> float32 `[rows, inputs]`."""
        batch, problems = self.parse_rows(rows)
        return Encoded(encode_batch(batch, self._card, self._token_encoders), problems)

    def parse_rows(self, rows: list[Json]) -> tuple[pa.RecordBatch, list[Problem]]:
        """Converts rows (column -> text, number, date, boolean or None) to a batch for `encode_batch`.

        Missing cells become null, as in training, and so do cells that are nested or not of their column's kind. These
        are problems, and so is a row without any value.
        """
        problems = check_columns(rows, self.columns, self._unused)
        columns = {}
        for name, column in zip(self.columns, self._card["columns"], strict=True):
            parsed = self._parse_column([row.get(name) for row in rows], column)
            columns[column["name"]] = parsed.values
            problems += [
                Problem(row, name, reason, remedy, is_answerable=True) for row, reason, remedy in parsed.invalid
            ]
        is_empty = np.ones(len(rows), np.bool_)
        for values in columns.values():
            is_empty &= values.is_null().to_numpy(zero_copy_only=False)
        empty_rows = np.flatnonzero(is_empty).tolist()
        remedy = "send at least one, or leave the row out"
        problems += [Problem(row, None, "no column has a value", remedy) for row in empty_rows]
        return pa.record_batch(columns), problems

    def _parse_column(self, cells: list[Any], column: Json) -> _ParsedColumn:
        if column["kind"] == "numeric" and self._may_take_numbers:
            numbers = _take_numbers(cells)
            if numbers is not None:
                return _check_numbers(cells, numbers, np.zeros(len(cells), np.bool_))
        missing = self._missing.union(column.get("missing", ()))
        if column["kind"] == "text":
            return _parse_texts(cells, missing)
        text, invalid = _to_texts(cells, frozenset(column.get("values", ())), missing)
        if column["kind"] == "categorical":
            return _ParsedColumn(strip_whitespace(text), invalid)
        if column["kind"] == "date":
            dates, not_dates = _parse_dates(cells, text, column.get("order"))
            return _ParsedColumn(pa.array(dates, pa.timestamp("us")), invalid + not_dates)
        if column["kind"] == "time":
            times = parse_times(text)
            not_times = _list_invalid(times.is_invalid, cells, "is not a time of day", TIME_REMEDY)
            return _ParsedColumn(pa.array(times.values, pa.float64(), mask=np.isnan(times.values)), invalid + not_times)
        number_format = NumberFormat(**column.get("number_format", {}))
        parsed = _parse_numbers(cells, text, number_format)
        checked = _check_numbers(cells, parsed.values, parsed.is_invalid, number_format)
        return _ParsedColumn(checked.values, invalid + checked.invalid)


class _ParsedColumn(NamedTuple):
    """The cells of a column, and what is wrong with some."""

    values: pa.Array
    """Texts, numbers or dates; null where a cell is missing or invalid."""
    invalid: list[Invalid]


def _load_token_encoders(card: Json, artifacts: dict[str, str]) -> dict[str, TokenEncoder]:
    """The encoder of each text column; the columns do not share a tokenizer, because their lengths differ."""
    sizes = {column["name"]: column["max_tokens"] for column in card["columns"] if column["kind"] == "text"}
    if not sizes:
        return {}
    from tokenizers import Tokenizer

    text = Path(artifacts["tokenizer"]).read_text(encoding="utf-8")
    return {name: TokenEncoder(Tokenizer.from_str(text), size, card["unknown"]) for name, size in sizes.items()}


def _parse_texts(cells: list[Any], missing: frozenset[str]) -> _ParsedColumn:
    """Repairs texts as `clean` does by default; one that is then empty is missing."""
    texts, invalid = list[str | None](), list[Invalid]()
    for row, cell in enumerate(cells):
        text = ""
        if isinstance(cell, str):
            text = replace_lone_surrogates(cell).strip()
            text = "" if text in missing else repair_text(text).text
        elif not is_missing(cell):
            invalid.append((row, f"{quote(cell)} is {name_kind(cell)}", TEXT_REMEDY))
        texts.append(text or None)
    return _ParsedColumn(pa.array(texts, pa.string()), invalid)


def _take_numbers(cells: list[Any]) -> NDArray[np.float64] | None:
    """The cells as numbers, NaN where they are null; None if one is of another type, such as a boolean or a text."""
    if not set(map(type, cells)) <= {int, float, type(None)}:
        return None
    try:
        return np.array(cells, np.float64)
    except OverflowError:  # a whole number beyond the largest float
        return None


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


def _check_numbers(
    cells: list[Any], values: NDArray[np.float64], is_invalid: NDArray[np.bool_], number_format: NumberFormat = PLAIN
) -> _ParsedColumn:
    remedy = NUMBER_REMEDY
    if number_format != PLAIN:
        remedy = f"send a number, a text as the source has them ({number_format}), or null if it is unknown"
    invalid = _list_invalid(is_invalid, cells, "is not a number", remedy)
    is_large = np.abs(values) > LARGEST
    invalid += _list_invalid(is_large, cells, f"is beyond {LARGEST:g}", NUMBER_REMEDY)
    return _ParsedColumn(pa.array(values, pa.float64(), mask=is_large | np.isnan(values)), invalid)


def _list_invalid(is_invalid: NDArray[np.bool_], cells: list[Any], reason: str, remedy: str) -> list[Invalid]:
    return [(row, f"{quote(cells[row])} {reason}", remedy) for row in np.flatnonzero(is_invalid).tolist()]


def _parse_dates(
    cells: list[Any], text: pa.Array, order: DateOrder | None
) -> tuple[NDArray[np.datetime64], list[Invalid]]:
    """Reads dates in the train rows' order of day and month.

    Where no train row showed it, a cell that is a different date in either order is invalid: a guess from the other
    rows of the request would let rows change each other's answers.
    """
    if order:
        dates = parse_dates(text, order)
        return dates.values, _list_invalid(dates.is_invalid, cells, "is not a date", DATE_REMEDY)
    day_first, month_first = parse_dates(text, "dmy"), parse_dates(text, "mdy")
    invalid = _list_invalid(day_first.is_invalid & month_first.is_invalid, cells, "is not a date", DATE_REMEDY)
    is_either = ~np.isnat(day_first.values) & ~np.isnat(month_first.values)
    is_ambiguous = is_either & (day_first.values != month_first.values)
    invalid += _list_invalid(is_ambiguous, cells, "is ambiguous between day first and month first", DATE_REMEDY)
    values = np.where(np.isnat(day_first.values), month_first.values, day_first.values)
    values[is_ambiguous] = np.datetime64("NaT", "us")
    return values, invalid


def _to_texts(cells: list[Any], categories: frozenset[str], missing: frozenset[str]) -> tuple[pa.Array, list[Invalid]]:
    """The cells as texts, null where they are missing or nested, and what is wrong with the latter."""
    text = _take_texts(cells, missing)
    if text is not None:
        return text, []
    texts, invalid = list[str | None](), list[Invalid]()
    known = dict[Any, str | None]()  # cells repeat; by type, because 1, 1.0 and True are equal
    for row, cell in enumerate(cells):
        if hasattr(cell, "__len__") and not isinstance(cell, str):
            invalid.append((row, f"{quote(cell)} is {name_kind(cell)}", CELL_REMEDY))
            texts.append(None)
            continue
        key = (type(cell), cell)
        if key not in known:
            known[key] = _to_text(cell, categories, missing)
        texts.append(known[key])
    return pa.array(texts, pa.string()), invalid


def _take_texts(cells: list[Any], missing: frozenset[str]) -> pa.Array | None:
    """The cells, if all are texts or null that need no other spelling; otherwise None."""
    if not set(map(type, cells)) <= {str, type(None)}:
        return None
    try:
        text = pc.utf8_trim_whitespace(pa.array(cells, pa.string()))
    except UnicodeEncodeError:  # half of a surrogate pair
        return None
    if pc.any(pc.is_in(pc.utf8_lower(text), pa.array(TRUTH_VALUES, pa.string()))).as_py():
        return None
    return pc.if_else(pc.is_in(text, pa.array(missing, pa.string())), None, text)


def _to_text(cell: Any, categories: frozenset[str], missing: frozenset[str]) -> str | None:
    """The cell as text, as the source would write it; None if it is missing."""
    if isinstance(cell, str):
        text = replace_lone_surrogates(cell).strip()
        if text.lower() not in TRUTH_VALUES:
            return None if text in missing else text
        spellings = [text, *_spell_truth(text)]
    elif is_missing(cell):
        return None
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
