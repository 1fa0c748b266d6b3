"""Checks of the rows of a prediction request that do not depend on their modality. Copied into served models."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

MAX_QUOTED = 60
"""Characters of a value that an error shows."""
MAX_LISTED = 20
"""Columns that an error lists."""


class InvalidRowError(ValueError):
    """A row that the model cannot answer for."""

    def __init__(self, row: int, column: str | None, problem: str) -> None:
        """`row`: position among the rows that were given; `column`: None if the whole row is at fault."""
        super().__init__(row, column, problem)
        self.row, self.column, self.problem = row, column, problem

    def describe(self, first_row: int = 0) -> str:
        """Returns one sentence that names the row, counted from `first_row`."""
        place = f"row {first_row + self.row}" + (f", column {self.column!r}" if self.column is not None else "")
        return f"{place}: {self.problem}"


def check_columns(rows: Sequence[dict[Any, Any]], required: Sequence[str], optional: Collection[str] = ()) -> None:
    """Raises InvalidRowError for a row with an unknown column, or without a required one.

    Every row has to have all of them: a misspelt column of one row would otherwise be a missing cell of another.
    """
    needed, known = frozenset(required), frozenset((*required, *optional))
    for index, row in enumerate(rows):
        names = row.keys()
        if needed <= names <= known:
            continue
        unknown = next((name for name in names if name not in known), None)
        if unknown is not None:
            problem = f"unknown column (its value: {quote(row[unknown])}); {_describe_columns(required)}; "
            raise InvalidRowError(index, str(unknown), problem + _suggest(str(unknown), known))
        absent = next(name for name in required if name not in names)
        raise InvalidRowError(
            index, absent, f"missing; {_describe_columns(required)}; send null where a value is unknown"
        )


def is_missing(cell: Any) -> bool:
    """Whether a cell is None, NaN, or a missing value of pandas or NumPy."""
    if cell is None or type(cell).__name__ in {"NAType", "NaTType"}:
        return True
    return not hasattr(cell, "__len__") and bool(cell != cell)  # noqa: PLR0124 NaN


def quote(value: Any) -> str:
    """Returns a value as it would be written in Python, on one line, shortened if long."""
    text = repr(value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value)
    return " ".join(text.split()) if len(text) <= MAX_QUOTED else f"{' '.join(text[: MAX_QUOTED - 3].split())}..."


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
