"""Checks and repair of table rows: typed columns, with broken cells set to null."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import CheckedBatch, ColumnFinding, Finding, Json, Repaired, Rows, Spec
from headrace.data.table import hashing
from headrace.data.table.cleaning.cell_checks import check_ranges, implausible_cells, outlying_cells, unparsable_cells
from headrace.data.table.cleaning.cells import TypedColumn, read_columns
from headrace.data.table.cleaning.column_checks import check_columns
from headrace.data.table.cleaning.contract_cells import find_cell_breaches, repair_cells
from headrace.data.table.cleaning.features import compute_features
from headrace.data.table.cleaning.profile import profile_table
from headrace.data.table.cleaning.row_html import render_row
from headrace.data.table.cleaning.text_cells import check_texts, compute_text_features, find_words, repair_texts
from headrace.storage.column_names import to_stored_name

MAX_MEASURES = 30
"""Columns with a histogram in the report."""


class TableChecker:
    """Implements contracts.RowChecker for rows of numbers, categories, dates and text."""

    similarity_threshold = 1.0
    """Table rows are either equal or different."""

    def survey(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Profiles every column; raises ConfigError if the settings name a column that does not exist."""
        check_ranges(spec, options)
        profile = profile_table(rows, spec, options)
        if "label_error" in options and spec.task == "classification":
            profile["words"] = find_words(rows, spec)
        return profile

    def check_columns(self, spec: Spec, survey: Json, options: Json) -> list[ColumnFinding]:
        """Finds missing cells, constant columns, duplicates, ids and target leakage."""
        return check_columns(spec, survey, options)

    def check_batch(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> CheckedBatch:
        """Checks every cell; rows are duplicates if all their typed cells are equal."""
        columns = _read(batch, spec, survey)
        no_hashes = np.empty((batch.num_rows, 0), np.uint64)
        hashes = np.stack([cells.hashes for cells in columns.values()], axis=1) if columns else no_hashes
        is_empty = (hashes == hashing.MISSING_HASH).all(axis=1) & bool(columns)
        for cells in columns.values():
            is_empty &= ~cells.is_broken
        findings = [finding for name, cells in columns.items() for finding in _findings(name, cells, survey, options)]
        findings += find_cell_breaches(columns, options)
        if "empty" in options:
            findings += [Finding(row, "empty", "no cell has a value") for row in np.flatnonzero(is_empty).tolist()]
        keys = hashing.combine_hashes(hashes).copy()
        keys[is_empty] = b""
        features = compute_features(columns, survey, batch.num_rows)
        features = np.concatenate([features, compute_text_features(batch, spec, survey.get("words", []))], axis=1)
        features[is_empty] = np.nan
        findings.sort(key=lambda finding: finding.row)
        no_sketches = np.empty((batch.num_rows, 0), np.uint8)
        return CheckedBatch(findings, keys, no_hashes, no_sketches, features, _measures(columns))

    def clean_schema(self, raw: pa.Schema, spec: Spec) -> pa.Schema:
        """The same columns: float64 for numbers and for hours of times, timestamp[us] for dates, otherwise strings."""
        types = {"numeric": pa.float64(), "time": pa.float64(), "date": pa.timestamp("us")}
        kinds = {to_stored_name(column.name): column.kind for column in spec.columns}
        return pa.schema([field.with_type(types.get(kinds.get(field.name, "")) or field.type) for field in raw])

    def repair(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> Repaired:
        """Types every cell; unparsable and implausible cells become null, and `originals` has their text.

        A column of numbers or dates cannot hold other text, so this does not depend on the severity of a check. Texts
        lose control characters and markup.
        """
        arrays = {field.name: batch.column(field.name) for field in batch.schema}
        originals: list[dict[str, str]] = [{} for _ in range(batch.num_rows)]
        for name, cells in _read(batch, spec, survey).items():
            clean, emptied_rows = _typed(name, cells, options)
            arrays[to_stored_name(name)], changed_rows = repair_cells(name, clean, cells, options)
            for row in (*emptied_rows, *changed_rows):
                originals[row][name] = cells.raw[row].as_py()
        repaired = pa.RecordBatch.from_arrays(list(arrays.values()), schema=self.clean_schema(batch.schema, spec))
        return Repaired(repaired, [json.dumps(cells, ensure_ascii=False) if cells else None for cells in originals])

    def similarity(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Zeros: different table rows have no defined similarity."""
        del second
        return np.zeros(len(first), np.float32)

    def render_html(self, row: Json) -> str:
        """An HTML table of the first columns, the label on top."""
        return render_row(row)


def _read(batch: pa.RecordBatch, spec: Spec, survey: Json) -> dict[str, TypedColumn]:
    facts = survey["columns"]
    orders = {column.name: facts[column.name]["order"] for column in spec.columns if column.kind == "date"}
    return read_columns(batch, spec.columns, orders)


def _findings(name: str, cells: TypedColumn, survey: Json, options: Json) -> list[Finding]:
    """At most one finding per cell, an outlier only if no other check failed; for texts one of each check."""
    if cells.kind == "text":
        return list(check_texts(name, cells, options))
    if cells.kind not in {"numeric", "date", "time"}:
        return []
    faults = (unparsable_cells(cells), *implausible_cells(name, cells, options))
    failed = {
        row: (fault.check, fault.reason) for fault in faults if fault.check in options for row in fault.rows.tolist()
    }
    if "outlier" in options:
        for row, reason in outlying_cells(cells, survey["columns"][name], options["outlier"]["z"]):
            failed.setdefault(row, ("outlier", reason))
    return [Finding(row, check, f"{name}: {cells.quote(row)} {reason}") for row, (check, reason) in failed.items()]


def _typed(name: str, cells: TypedColumn, options: Json) -> tuple[pa.Array, list[int]]:
    """The clean column, and the rows whose cells had a value and became null, or another text."""
    if cells.kind == "text":
        return repair_texts(cells, options)
    if cells.kind not in {"numeric", "date", "time"}:
        return cells.text, []
    faults = [unparsable_cells(cells), *implausible_cells(name, cells, options)]
    is_null = np.zeros(len(cells.raw), np.bool_)
    for fault in faults:
        is_null[fault.rows] = True
    if cells.kind == "date":
        return pa.array(cells.dates, pa.timestamp("us"), mask=is_null | np.isnat(cells.dates)), _positions(is_null)
    is_null |= np.isinf(cells.numbers)  # a single infinite number would make the mean infinite
    return pa.array(cells.numbers, pa.float64(), mask=is_null | np.isnan(cells.numbers)), _positions(is_null)


def _positions(is_selected: NDArray[np.bool_]) -> list[int]:
    positions: list[int] = np.flatnonzero(is_selected).tolist()
    return positions


def _measures(columns: dict[str, TypedColumn]) -> dict[str, NDArray[np.float32]]:
    """Values of the first numeric columns."""
    numeric = [(name, cells.quantities) for name, cells in columns.items() if cells.kind == "numeric"]
    with np.errstate(over="ignore"):
        measures = {name: values.astype(np.float32) for name, values in numeric[:MAX_MEASURES] if values is not None}
    for values in measures.values():
        values[np.isinf(values)] = np.nan
    return measures
