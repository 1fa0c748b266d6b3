"""A raw batch's columns read as what they are: the one reading that survey, checks and repair share."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Column, ColumnKind
from headrace.data.table import hashing
from headrace.data.table.parsing import DateOrder, dates, numbers, stripped


class TypedColumn:
    """One column of a batch: a cell that cannot be read as the column's kind is broken, and counts as missing."""

    def __init__(self, raw: pa.Array, kind: ColumnKind, order: DateOrder | None = None) -> None:
        """`raw`: strings as they came; `order`: of a column of dates, where the whole column has told it."""
        self.raw, self.kind = raw, kind
        if kind == "numeric":
            self.numbers, self.is_broken = numbers(raw)
        elif kind == "date":
            self.dates, self.is_broken = dates(raw, order)
        else:
            self.text, self.is_broken = stripped(raw), np.zeros(len(raw), np.bool_)

    @cached_property
    def codes(self) -> NDArray[np.uint64]:
        """`[rows]`: equal where the cells are; 0 where one is missing."""
        if self.kind == "numeric":
            return hashing.of_numbers(self.numbers)
        return hashing.of_dates(self.dates) if self.kind == "date" else hashing.of_strings(self.text)

    @cached_property
    def quantities(self) -> NDArray[np.float64] | None:
        """`[rows]`: numbers, or days since 1970; NaN where missing or infinite; None for other kinds."""
        if self.kind == "numeric":
            return np.where(np.isfinite(self.numbers), self.numbers, np.nan)
        if self.kind != "date":
            return None
        days: NDArray[np.float64] = self.dates.view("i8") / 86_400e6
        days[np.isnat(self.dates)] = np.nan
        return days

    def told(self, row: int) -> str:
        """A cell for a reason: its text as it came, cut where it is long."""
        text = str(self.raw[row].as_py())
        return repr(text if len(text) <= 40 else text[:37] + "...")  # noqa: PLR2004


def read_cells(batch: pa.RecordBatch, columns: list[Column], orders: dict[str, DateOrder]) -> dict[str, TypedColumn]:
    """The columns of a raw batch by name; `orders`: of dates, by column."""
    return {c.name: TypedColumn(batch.column(c.name), c.kind, orders.get(c.name)) for c in columns}
