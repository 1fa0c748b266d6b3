"""What a look at a table finds in columns and cells, and what later stages get: typed columns, broken cells null."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import CheckedBatch, ColumnFinding, Finding, Json, Repaired, Rows, Spec
from headrace.data.table import hashing
from headrace.data.table.cleaning.cell_checks import check_ranges, implausible_cells, outlying_cells, unparsable_cells
from headrace.data.table.cleaning.cells import TypedColumn, read_cells
from headrace.data.table.cleaning.column_checks import column_findings
from headrace.data.table.cleaning.features import features
from headrace.data.table.cleaning.profile import survey
from headrace.data.table.cleaning.row_html import picture

MAX_MEASURES = 30
"""Columns whose histograms the report shows."""


class TableExaminer:
    """Contracts' `Examiner` of rows whose columns are numbers, categories, dates and text."""

    similarity_threshold = 1.0
    """Rows of a table are equal or not."""

    def survey(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Facts of every column; raises ConfigError where settings name no column of the table."""
        check_ranges(spec, options)
        return survey(rows, spec, options)

    def columns(self, spec: Spec, survey: Json, options: Json) -> list[ColumnFinding]:
        """Missing cells, columns of one value, repeated ones, ids, and those that tell the target."""
        return column_findings(spec, survey, options)

    def examine(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> CheckedBatch:
        """Judges every cell; rows are the same where all their typed cells are."""
        cells = _read(batch, spec, survey)
        no_codes = np.empty((batch.num_rows, 0), np.uint64)
        cell_codes = np.stack([one.codes for one in cells.values()], axis=1) if cells else no_codes
        is_empty = (cell_codes == hashing.MISSING).all(axis=1) & bool(cells)
        for one in cells.values():
            is_empty &= ~one.is_broken
        findings = [finding for name, one in cells.items() for finding in _findings(name, one, survey, options)]
        if "empty" in options:
            findings += [Finding(row, "empty", "no cell has a value") for row in np.flatnonzero(is_empty).tolist()]
        keys = hashing.row_keys(cell_codes).copy()
        keys[is_empty] = b""
        made = features(cells, survey, batch.num_rows)
        made[is_empty] = np.nan
        findings.sort(key=lambda finding: finding.row)
        no_sketches = np.empty((batch.num_rows, 0), np.uint8)
        return CheckedBatch(findings, keys, no_codes, no_sketches, made, _measures(cells))

    def schema(self, raw: pa.Schema, spec: Spec) -> pa.Schema:
        """The same columns: float64 for numbers, timestamp[us] for dates, else strings."""
        types = {"numeric": pa.float64(), "date": pa.timestamp("us")}
        kinds = {column.name: column.kind for column in spec.columns}
        return pa.schema([field.with_type(types.get(kinds.get(field.name, "")) or field.type) for field in raw])

    def repair(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> Repaired:
        """Types every cell; those that have no value of their type, or none that can be meant, become null."""
        cells = _read(batch, spec, survey)
        columns = {field.name: batch.column(field.name) for field in batch.schema}
        originals: list[dict[str, str]] = [{} for _ in range(batch.num_rows)]
        for name, one in cells.items():
            columns[name], broken = _typed(name, one, options)
            for row in broken:
                originals[row][name] = one.raw[row].as_py()
        made = pa.RecordBatch.from_arrays(list(columns.values()), schema=self.schema(batch.schema, spec))
        return Repaired(made, [json.dumps(told, ensure_ascii=False) if told else None for told in originals])

    def similarity(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Zeros: nothing says how near two rows of a table are that differ."""
        del second
        return np.zeros(len(first), np.float32)

    def picture(self, row: Json) -> str:
        """A table of the first columns, the label on top."""
        return picture(row)


def _read(batch: pa.RecordBatch, spec: Spec, survey: Json) -> dict[str, TypedColumn]:
    facts = survey["columns"]
    orders = {column.name: facts[column.name]["order"] for column in spec.columns if column.kind == "date"}
    return read_cells(batch, spec.columns, orders)


def _findings(name: str, cells: TypedColumn, survey: Json, options: Json) -> list[Finding]:
    if cells.kind not in {"numeric", "date"}:
        return []
    faults = [
        fault for fault in (unparsable_cells(cells), *implausible_cells(name, cells, options)) if fault.check in options
    ]
    told = {row: (fault.check, fault.why) for fault in faults for row in fault.rows.tolist()}
    if "outlier" in options:
        for row, why in outlying_cells(cells, survey["columns"][name], options["outlier"]["z"]):
            told.setdefault(row, ("outlier", why))
    return [Finding(row, check, f"{name}: {cells.told(row)} {why}") for row, (check, why) in told.items()]


def _typed(name: str, cells: TypedColumn, options: Json) -> tuple[pa.Array, list[int]]:
    """The column as later stages read it, and the rows whose cells a check that is on has made null."""
    if cells.kind not in {"numeric", "date"}:
        return cells.text, []
    faults = [unparsable_cells(cells), *implausible_cells(name, cells, options)]
    is_null = np.zeros(len(cells.raw), np.bool_)
    for fault in faults:
        is_null[fault.rows] = True
    rows = sorted({row for fault in faults if fault.check in options for row in fault.rows.tolist()})
    if cells.kind == "date":
        return pa.array(cells.dates, pa.timestamp("us"), mask=is_null | np.isnat(cells.dates)), rows
    # an infinite number would be the mean of all
    return pa.array(cells.numbers, pa.float64(), mask=is_null | ~np.isfinite(cells.numbers)), rows


def _measures(cells: dict[str, TypedColumn]) -> dict[str, NDArray[np.float32]]:
    """The first numeric columns, as they are."""
    numeric = [(name, one.quantities) for name, one in cells.items() if one.kind == "numeric"]
    with np.errstate(over="ignore"):
        made = {name: values.astype(np.float32) for name, values in numeric[:MAX_MEASURES] if values is not None}
    for values in made.values():
        values[np.isinf(values)] = np.nan
    return made
