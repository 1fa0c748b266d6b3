"""Decodes stored values of a table back to source values, for display."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.encoding.encode import MISSING, NUM_SPECIAL, UNKNOWN
from headrace.data.text.token_ids import PADDING
from headrace.data.text.tokenizer import load_cached_tokenizer

MISSING_TEXT = "missing"


def inputs_by_column(transform: Json) -> dict[str, list[int]]:
    """Column -> indices of its stored inputs; a date has several, and a text one per token."""
    indices: dict[str, list[int]] = {}
    for index, entry in enumerate(transform["inputs"]):
        indices.setdefault(entry["column"], []).append(index)
    return indices


def tokens_by_column(transform: Json) -> dict[str, list[int]]:
    """Text column -> indices of its stored inputs, one per token."""
    indices: dict[str, list[int]] = {}
    for index, entry in enumerate(transform["inputs"]):
        if entry["kind"] == "token":
            indices.setdefault(entry["column"], []).append(index)
    return indices


def count_tokens(inputs: NDArray[Any], indices: Sequence[int]) -> NDArray[np.float64]:
    """Stored `[rows, inputs]` -> `[rows]`: tokens of each text, as float64; NaN for a missing text."""
    counts = (inputs[:, indices[0] : indices[-1] + 1] != PADDING).sum(axis=1).astype(np.float64)
    return np.where(counts > 0, counts, np.nan)


def decode_cell(transform: Json, indices: Sequence[int], row: Any) -> str | float | None:
    """Returns the value of a column in a stored row: see `decode_value`; of a text what its tokens say."""
    if transform["inputs"][indices[0]]["kind"] != "token":
        return decode_value(transform, indices[0], float(row[indices[0]]))
    ids = [int(row[index]) for index in indices if row[index] != PADDING]
    tokenizer = load_cached_tokenizer(json.dumps(transform["tokenizer"]), len(indices))
    return str(tokenizer.decode(ids)).strip() if ids else None


def format_cell(transform: Json, indices: Sequence[int], row: Any) -> str:
    """Formats the value of a column in a stored row as text: see `format_value`."""
    if transform["inputs"][indices[0]]["kind"] != "token":
        return format_value(transform, indices[0], float(row[indices[0]]))
    text = decode_cell(transform, indices, row)
    return MISSING_TEXT if text is None else str(text)


def decode_value(transform: Json, index: int, stored: float) -> str | float | None:
    """Returns a category, a number, an ISO date or a time; None for a missing cell or an unknown category.

    `index` is that of the column's first input.
    """
    name = transform["inputs"][index]["column"]
    column = next(column for column in transform["columns"] if column["name"] == name)
    if column["kind"] == "categorical":
        return str(column["values"][int(stored) - NUM_SPECIAL]) if stored > MISSING else None
    if stored != stored:  # noqa: PLR0124 NaN
        return None
    if column["kind"] == "time":
        hours, minutes = divmod(round(stored * 60), 60)
        return f"{hours % 24:02d}:{minutes:02d}"
    number: float = stored * column["unit"] + column["offset"]
    if column["kind"] == "date":
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)).date().isoformat()
    return number


def format_value(transform: Json, index: int, stored: float) -> str:
    """Formats the decoded value as text; a missing cell is `missing`, an unknown category `unknown`."""
    value = decode_value(transform, index, stored)
    if value is None:
        return "unknown" if transform["inputs"][index]["kind"] == "categorical" and stored == UNKNOWN else MISSING_TEXT
    return value if isinstance(value, str) else f"{value:.6g}"
