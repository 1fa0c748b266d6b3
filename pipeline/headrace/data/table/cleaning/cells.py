"""Typed columns of a raw batch, shared by profile, checks and repair."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Column, ColumnKind
from headrace.data.table import hashing
from headrace.data.table.parsing import DateOrder, parse_dates, parse_numbers, strip_whitespace


class TypedColumn:
    """One column of a batch; a cell that cannot be parsed as the column's kind is broken and counts as missing."""

    def __init__(self, raw: pa.Array, kind: ColumnKind, order: DateOrder | None = None) -> None:
        """`raw`: unparsed strings; `order`: day and month order of a date column, if the whole column determines it."""
        self.raw, self.kind = raw, kind
        if kind == "numeric":
            self.numbers, self.is_broken = parse_numbers(raw)
        elif kind == "date":
            self.dates, self.is_broken = parse_dates(raw, order)
        else:
            self.text, self.is_broken = strip_whitespace(raw), np.zeros(len(raw), np.bool_)

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """`[rows]`: equal for equal cells; 0 for a missing cell."""
        if self.kind == "numeric":
            return hashing.hash_numbers(self.numbers)
        return hashing.hash_dates(self.dates) if self.kind == "date" else hashing.hash_strings(self.text)

    @cached_property
    def quantities(self) -> NDArray[np.float64] | None:
        """`[rows]`: numbers, or days since 1970; NaN if missing or infinite; None for other kinds."""
        if self.kind == "numeric":
            return np.where(np.isfinite(self.numbers), self.numbers, np.nan)
        if self.kind != "date":
            return None
        days: NDArray[np.float64] = self.dates.view("i8") / 86_400e6
        days[np.isnat(self.dates)] = np.nan
        return days

    def quote(self, row: int) -> str:
        """Returns the cell's raw text in quotes, shortened if long."""
        text = str(self.raw[row].as_py())
        return repr(text if len(text) <= 40 else text[:37] + "...")  # noqa: PLR2004


def read_columns(batch: pa.RecordBatch, columns: list[Column], orders: dict[str, DateOrder]) -> dict[str, TypedColumn]:
    """Parses the columns of a raw batch, by name; `orders`: day and month orders of date columns."""
    return {c.name: TypedColumn(batch.column(c.name), c.kind, orders.get(c.name)) for c in columns}
