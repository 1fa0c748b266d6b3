"""Typed columns of a raw batch, shared by profile, checks and repair."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.contracts import Column, ColumnKind
from headrace.data.table import hashing
from headrace.data.table.format_counts import LARGEST_EXACT
from headrace.data.table.number_format import PLAIN, NumberFormat
from headrace.data.table.parsing import (
    LARGEST,
    DateOrder,
    parse_dates,
    parse_numbers,
    parse_times,
    strip_whitespace,
)
from headrace.storage.column_names import to_stored_name


class TypedColumn:
    """One column of a batch; a cell that cannot be parsed as the column's kind is broken and counts as missing."""

    def __init__(
        self,
        raw: pa.Array,
        kind: ColumnKind,
        order: DateOrder | None = None,
        *,
        number_format: NumberFormat = PLAIN,
        missing: Sequence[str] = (),
    ) -> None:
        """Parses `raw`, strings.

        Args:
            raw: `[rows]`.
            kind: of the column.
            order: day and month order of a date column, if the whole column determines it.
            number_format: notation of a numeric column.
            missing: cells of this column that stand for a missing value.
        """
        self.raw, self.kind = raw, kind
        present = pc.if_else(pc.is_in(raw, value_set=pa.array(missing, pa.string())), None, raw) if missing else raw
        if kind == "numeric":
            numbers, self.is_broken = parse_numbers(present, number_format)
            self.numbers = np.where(np.abs(numbers) > LARGEST, np.copysign(np.inf, numbers), numbers)
        elif kind == "date":
            self.dates, self.is_broken = parse_dates(present, order)
        elif kind == "time":  # hours
            self.numbers, self.is_broken = parse_times(present)
        else:
            self.text, self.is_broken = strip_whitespace(present), np.zeros(len(raw), np.bool_)

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """`[rows]`: equal for equal cells; 0 for a missing cell.

        Integers that float64 cannot tell apart differ as their texts do.
        """
        if self.kind in {"numeric", "time"}:
            hashes = hashing.hash_numbers(self.numbers)
            is_large = np.isfinite(self.numbers) & (np.abs(self.numbers) >= LARGEST_EXACT)
            if is_large.any():
                hashes[is_large] = hashing.hash_strings(strip_whitespace(self.raw.filter(pa.array(is_large))))
            return hashes
        return hashing.hash_dates(self.dates) if self.kind == "date" else hashing.hash_strings(self.text)

    @cached_property
    def quantities(self) -> NDArray[np.float64] | None:
        """`[rows]`: numbers, hours since midnight or days since 1970; NaN if missing or infinite; None for others."""
        if self.kind in {"numeric", "time"}:
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
    return {
        column.name: TypedColumn(
            batch.column(to_stored_name(column.name)),
            column.kind,
            orders.get(column.name),
            number_format=NumberFormat(**column.number_format),
            missing=column.missing,
        )
        for column in columns
    }
