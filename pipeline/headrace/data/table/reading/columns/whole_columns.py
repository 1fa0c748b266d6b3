"""Decides by all rows how numbers are written: watches them pass, and reads the columns in question again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts import Assumption, Column, Spec
from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.table.format_counts import LONG, FormatCounts, count_formats, is_plain
from headrace.data.table.number_format import PLAIN
from headrace.data.table.reading.columns.guess import ColumnGuess
from headrace.data.table.reading.columns.numeric_columns import (
    NumericDecision,
    check_uniform,
    decide_numeric,
    find_set_decimal,
    name_cells,
)
from headrace.storage.column_names import to_stored_name
from headrace.storage.parquet import read_shards


class TargetNotations(NamedTuple):
    """The notations of targets that are not written plainly."""

    guesses: dict[str, ColumnGuess]
    assumptions: list[Assumption]
    missing: list[str] = []
    """Cells of a target of classes that stand for a missing one."""


PLAIN_BYTES = b"0123456789+-.eE"


class ColumnWatch:
    """Watches the numeric columns of raw rows for cells that only the whole column explains.

    A column in plain notation costs a pass over its bytes; any other is read again once all rows are written.
    """

    def __init__(self, columns: Sequence[Column], options: ReadOptions, likely_decimal: str | None) -> None:
        """`likely_decimal`: that of the first rows."""
        self._options, self._likely_decimal = options, likely_decimal
        numeric = [column.name for column in columns if column.kind == "numeric"]
        is_plain = {column.name: not column.number_format and not column.missing for column in columns}
        self._suspects = {name for name in numeric if not is_plain[name] or likely_decimal == ","}
        self._unsuspected = [name for name in numeric if name not in self._suspects]

    def observe(self, rows: pa.RecordBatch) -> None:
        """Notes the columns of some raw rows that are not in plain notation."""
        suspects = {name for name in self._unsuspected if not _is_plain(rows.column(to_stored_name(name)))}
        if suspects:
            self._suspects |= suspects
            self._unsuspected = [name for name in self._unsuspected if name not in suspects]

    def finish(self, folder: Path, spec: Spec) -> Spec:
        """Returns the spec with the final notation of every column; `folder`: the raw rows.

        Raises DataError for a column of numbers in contradictory notations.
        """
        counts = count_stored(folder, [column.name for column in spec.columns if column.name in self._suspects])
        columns, assumptions = [], list[Assumption]()
        for column in spec.columns:
            if column.name not in counts:
                columns.append(column)
                continue
            name, column_counts = column.name, counts[column.name]
            check_uniform(name, column_counts, self._options.table)
            decision = decide_numeric(column_counts, self._options.table, self._likely_decimal)
            is_set = self._options.columns.get(name) == "numeric"
            columns.append(_apply(column, decision, keeps_kind=is_set))
            assumptions += assume_numbers(name, columns[-1], column_counts, decision, self._options.table)
        return spec.model_copy(update={"columns": columns, "assumptions": [*spec.assumptions, *assumptions]})


def count_stored(folder: Path, names: Sequence[str]) -> dict[str, FormatCounts]:
    """Counts the cells of some columns of raw rows by the formats that read them."""
    counts = {name: FormatCounts() for name in names}
    if counts:
        stored_names = {name: to_stored_name(name) for name in names}
        for batch in read_shards(folder, list(stored_names.values())):
            for name, stored in stored_names.items():
                counts[name].add(count_formats(batch.column(stored)))
    return counts


def find_placeholder_labels(guesses: Mapping[str, ColumnGuess]) -> TargetNotations:
    """Finds the cells that stand for a missing class among classes that are numbers: `-` beside 1 to 5."""
    result = TargetNotations({}, [], [])
    for name, guess in guesses.items():
        if guess.missing and guess.counts is not None:
            sizes = {cell: guess.counts.others[cell] for cell in guess.missing}
            text = f"these labels are taken for missing: {name_cells(sizes)}, in the first rows"
            setting = f"ingest.columns: {{{name}: categorical}}"
            assumption = Assumption(stage="ingest", subject="target", text=text, setting=setting, is_warning=True)
            result.assumptions.append(assumption)
            result.missing.extend(guess.missing)
    return result


def decide_targets(
    counts: Mapping[str, FormatCounts], options: ReadOptions, likely_decimal: str | None
) -> TargetNotations:
    """Decides by all rows; raises DataError for a target of numbers in contradictory notations."""
    result = TargetNotations({}, [])
    for name, target in counts.items():
        check_uniform(name, target, options.table)
        decision = decide_numeric(target, options.table, likely_decimal)
        guess = ColumnGuess("numeric", decision.number_format, tuple(decision.missing), target)
        result.guesses[name] = guess
        result.assumptions.extend(assume_numbers(name, guess.to_column(name, options), target, decision, options.table))
    return result


def assume_numbers(
    name: str, column: Column, counts: FormatCounts, decision: NumericDecision, table: TableFormat
) -> list[Assumption]:
    """Remarks about the notation of a column's numbers, and about the cells that are none."""
    subject, remarks = f"column {name!r}", list[Assumption]()

    def add(text: str, setting: str, *, is_warning: bool = False) -> None:
        assumption = Assumption(stage="ingest", subject=subject, text=text, setting=setting, is_warning=is_warning)
        remarks.append(assumption)

    if column.kind != "numeric":
        text = "integers of more digits than a number can hold (2**53) are compared as text, as ids are"
        add(text, f"ingest.columns: {{{name}: numeric}}")
        return remarks
    chosen = decision.number_format
    if chosen != PLAIN and find_set_decimal(table) is None:
        other = "," if chosen.decimal == "." else "."
        doubt = f"; {other!r} as the decimal mark would read other numbers" if decision.is_ambiguous else ""
        text = f"numbers are written with {chosen}{doubt}"
        add(text, f"ingest.table.decimal: {other!r}", is_warning=decision.is_ambiguous)
    if decision.missing:
        missing = {cell: counts.others[cell] for cell in decision.missing}
        text = f"{sum(missing.values()):,} of {counts.num_cells:,} cells are taken for missing: {name_cells(missing)}"
        add(text, f"ingest.columns: {{{name}: categorical}}", is_warning=True)
    others = {cell: count for cell, count in counts.others.items() if cell not in decision.missing}
    if others:
        text = f"{sum(others.values()):,} of {counts.num_cells:,} cells are no numbers: {name_cells(others)}"
        add(text, f"ingest.columns: {{{name}: categorical}}, or ingest.table.missing")
    return remarks


def _apply(column: Column, decision: NumericDecision, *, keeps_kind: bool) -> Column:
    if decision.is_id and not keeps_kind:
        return column.model_copy(update={"kind": "categorical", "number_format": {}, "missing": []})
    number_format = decision.number_format._asdict() if decision.number_format != PLAIN else {}
    return column.model_copy(update={"number_format": number_format, "missing": decision.missing})


def _is_plain(column: pa.Array) -> bool:
    """Whether the bytes of all cells are those of plain numbers that float64 holds exactly."""
    _, offsets, data = column.buffers()
    if data is None:
        return True
    bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    if bytes(memoryview(data)[bounds[0] : bounds[-1]]).translate(None, PLAIN_BYTES):
        return False
    is_long = np.diff(bounds) >= LONG
    if not is_long.any():
        return True
    is_fraction = pc.match_substring(column, ".").fill_null(True).to_numpy(zero_copy_only=False)
    return bool(is_fraction[is_long].all()) or is_plain(column)
