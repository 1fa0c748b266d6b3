"""Checks of the rows of a prediction request that do not depend on their modality. Copied into served models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from numbers import Number
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_QUOTED = 60
"""Characters of a value that an error shows."""
MAX_LISTED = 20
"""Columns that an error lists."""


class InvalidRequestError(ValueError):
    """A request, a row or a parameter that the model cannot answer for, in one line."""


class Problem(NamedTuple):
    """What is wrong with a row of a request."""

    row: int
    """Position among the rows that were given."""
    column: str | None
    """None if the whole row is at fault."""
    reason: str
    remedy: str
    is_answerable: bool = False
    """Whether the row can be answered without what is wrong: an unknown column, or a cell that is taken as missing."""

    def describe(self, first_row: int = 0) -> str:
        """Returns one sentence that names the row, counted from `first_row`."""
        place = f", column {self.column!r}" if self.column is not None else ""
        return f"row {first_row + self.row}{place}: {self.reason}; {self.remedy}"

    def describe_cell(self) -> str:
        """Returns what is wrong, for a reader who sees which row it is about."""
        return self.reason if self.column is None else f"column {self.column!r}: {self.reason}"


class Encoded(NamedTuple):
    """Encoded rows, and what is wrong with them."""

    inputs: NDArray[Any]
    """`[rows, ...]`, for the graph. Cells with a problem count as missing; rows without an answer hold any values."""
    problems: list[Problem]


def check_columns(
    rows: Sequence[dict[Any, Any]], required: Sequence[str], optional: Collection[str] = ()
) -> list[Problem]:
    """Finds rows with an unknown column, or without a required one.

    Every row has to have all of them: a misspelt column of one row would otherwise be a missing cell of another.
    """
    needed, known, problems = frozenset(required), frozenset((*required, *optional)), list[Problem]()
    listed = _describe_columns(required)
    usual: Any = None  # names that were checked: most requests have the same in every row
    for index, row in enumerate(rows):
        names = row.keys()
        if names == usual:
            continue
        if needed <= names <= known:
            usual = names
            continue
        for name in names:
            if name not in known:
                reason, remedy = f"unknown column (its value: {quote(row[name])})", _suggest(str(name), known)
                problems.append(Problem(index, str(name), reason, f"{listed}; {remedy}", is_answerable=True))
        remedy = f"{listed}; send null where a value is unknown"
        problems += [
            Problem(index, name, "missing", remedy, is_answerable=True) for name in required if name not in names
        ]
    return problems


def is_missing(cell: Any) -> bool:
    """Whether a cell is None, NaN, or a missing value of pandas or NumPy."""
    if cell is None or type(cell).__name__ in {"NAType", "NaTType"}:
        return True
    return not hasattr(cell, "__len__") and bool(cell != cell)  # noqa: PLR0124 NaN


def quote(value: Any) -> str:
    """Returns a value as it would be written in Python, on one line, shortened if long."""
    text = repr(value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value)
    return " ".join(text.split()) if len(text) <= MAX_QUOTED else f"{' '.join(text[: MAX_QUOTED - 3].split())}..."


def name_kind(value: Any) -> str:
    """Returns what kind of value a request holds, in the terms of JSON."""
    if isinstance(value, bool | np.bool_):
        return "a boolean"
    names: dict[type, str] = {
        Number: "a number", str: "a text", Mapping: "an object", type(None): "null", bytes: "bytes"
    }  # fmt: skip
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a list")


def replace_lone_surrogates(text: str) -> str:
    """Returns a text that UTF-8 can encode: JSON may contain half of a surrogate pair, which becomes `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _describe_columns(required: Sequence[str]) -> str:
    listed = ", ".join(repr(name) for name in required[:MAX_LISTED])
    more = f" and {len(required) - MAX_LISTED} more" if len(required) > MAX_LISTED else ""
    return f"a row has {listed}{more}"


def _suggest(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, 1)
    if close:
        return f"did you mean {close[0]!r}?"
    index = " (of pandas' to_csv, use index=False)" if not name or name.startswith("Unnamed") else ""
    return f"remove it{index}"
