"""Guesses the kind of every column from a table's first rows, and the notation of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts import Column, ColumnKind
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.format_counts import FormatCounts, count_formats, is_plain
from headrace.data.table.number_format import PLAIN, NumberFormat, to_plain_notation
from headrace.data.table.reading.column_types import infer_other_kind
from headrace.data.table.reading.columns.numeric_columns import (
    MIN_NUMBERS,
    check_uniform,
    decide_numeric,
    find_set_decimal,
)

DECIMAL_POINT, ANY_POINT = r"\.(\d{1,2}|\d{4,})$", r"\."
"""A point that cannot separate thousands; one that could."""


class ColumnGuess(NamedTuple):
    """What the first rows show about a column."""

    kind: ColumnKind
    number_format: NumberFormat = PLAIN
    missing: tuple[str, ...] = ()
    counts: FormatCounts | None = None
    """None if all cells are plain numbers, or the settings name another kind."""

    def to_column(self, name: str, options: ReadOptions) -> Column:
        """Returns the column's entry in the spec."""
        number_format = self.number_format._asdict() if self.number_format != PLAIN else {}
        order = options.table.date_order if self.kind == "date" and options.table.date_order != "auto" else None
        return Column(
            name=name, kind=self.kind, date_order=order, number_format=number_format, missing=list(self.missing)
        )


class GuessedColumns(NamedTuple):
    """The usable columns of a table."""

    by_name: dict[str, ColumnGuess]
    likely_decimal: str | None
    """The decimal mark that decides for columns that could be written with either; None: no column shows it."""


def guess_columns(head: pa.Table, options: ReadOptions) -> GuessedColumns:
    """Guesses kinds and notations; raises DataError for a column of numbers in notations that contradict each other.

    Columns that the settings ignore, and the split column, are left out.
    """
    settings = {name: options.columns.get(name) for name in head.column_names if name != options.split_column}
    values = {name: head[name].combine_chunks().drop_null() for name, kind in settings.items() if kind != "ignore"}
    possible = [name for name in values if settings[name] in (None, "numeric") and len(values[name])]
    plain = [name for name in possible if is_plain(values[name])]
    counts = {name: count_formats(values[name]) for name in possible if name not in plain}
    has_point = any(_matches(values[name], DECIMAL_POINT) for name in plain)
    likely_decimal = find_set_decimal(options.table) or find_likely_decimal(
        counts, has_point=has_point, delimiter=options.table.delimiter
    )
    if likely_decimal == ",":  # then 1.234 is 1234
        counts |= {name: count_formats(values[name]) for name in plain if _matches(values[name], ANY_POINT)}
    guesses = {}
    for name, cells in values.items():
        if name in possible:
            guesses[name] = _guess(name, cells, counts.get(name), options, likely_decimal)
        else:
            kind = settings[name]
            guesses[name] = ColumnGuess("categorical" if kind is None or kind == "ignore" else kind)
    return GuessedColumns(guesses, likely_decimal)


def find_likely_decimal(counts: Mapping[str, FormatCounts], *, has_point: bool, delimiter: str) -> str | None:
    """The mark that some columns of numbers show beyond doubt, if it is one; else a comma beside semicolons.

    Args:
        counts: those of columns that are not in plain notation.
        has_point: whether other columns have a decimal point.
        delimiter: the character between the cells.
    """
    numeric = [column for column in counts.values() if column.num_numbers >= MIN_NUMBERS * column.num_cells]
    marks = {mark for column in numeric for mark in column.examples} | ({"."} if has_point else set())
    if len(marks) == 1:
        return marks.pop()
    return "," if delimiter == ";" and not marks else None


def to_plain_column(cells: pa.Array, guess: ColumnGuess) -> pa.Array:
    """The cells of a numeric column in plain notation; null where they stand for a missing value or are no number."""
    if guess.missing:
        cells = pc.if_else(pc.is_in(cells, value_set=pa.array(guess.missing, pa.string())), None, cells)
    return cells if guess.number_format == PLAIN else to_plain_notation(cells, guess.number_format)


def to_plain_labels(cells: pa.Array, guess: ColumnGuess) -> pa.Array:
    """The same, but cells that are no number stay as they are, so that `clean` rejects them with a reason."""
    present = cells
    if guess.missing:
        present = pc.if_else(pc.is_in(cells, value_set=pa.array(guess.missing, pa.string())), None, cells)
    return pc.coalesce(to_plain_column(present, guess), present)


def _guess(
    name: str, cells: pa.Array, counts: FormatCounts | None, options: ReadOptions, likely_decimal: str | None
) -> ColumnGuess:
    if counts is None:
        return ColumnGuess("numeric")
    decision = decide_numeric(counts, options.table, likely_decimal)
    is_set = options.columns.get(name) == "numeric"
    if decision.is_numeric or is_set:
        check_uniform(name, counts, options.table)
        return ColumnGuess("numeric", decision.number_format, tuple(decision.missing), counts)
    if decision.is_id:
        return ColumnGuess("categorical", counts=counts)
    check_uniform(name, counts, options.table)
    return ColumnGuess(infer_other_kind(cells), counts=counts)


def _matches(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells, pattern)).as_py())
