"""Writes the accepted rows to `data/clean` and the rejected ones to `data/quarantine`, each with what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.contracts import Finding, Json, RowChecker, Spec
from headrace.data.cleaning.decide import CleaningDecision
from headrace.data.cleaning.scan import RowIndex
from headrace.data.sources.row_source import SOURCE
from headrace.storage.parquet import ShardWriter, read_schema, read_shards


def write_rows(
    raw_dir: Path,
    into: tuple[Path, Path],
    *,
    spec: Spec,
    checker: RowChecker,
    decision: CleaningDecision,
    survey: Json,
) -> None:
    """Reads the raw rows again; `into`: folders of clean (repaired) rows, and of rejected ones with reasons."""
    raw = read_schema(raw_dir)
    options = {name: rule.options for name, rule in decision.rules.items() if rule.severity == "repair"}
    with_original = checker.clean_schema(raw, spec).append(pa.field("original", pa.string()))
    with_reasons = raw.append(pa.field("check", pa.string())).append(pa.field("reason", pa.string()))
    start = 0
    with ShardWriter(into[0], with_original) as clean, ShardWriter(into[1], with_reasons) as quarantine:
        for batch in read_shards(raw_dir):
            is_accepted = decision.is_accepted[start : start + batch.num_rows]
            accepted = batch.filter(pa.array(is_accepted))
            if accepted.num_rows:
                repaired = checker.repair(accepted, spec, survey, options)
                originals = pa.array(repaired.originals, pa.string())
                clean.write(pa.RecordBatch.from_arrays([*repaired.batch.columns, originals], schema=with_original))
            quarantine.write(_rejected(batch, is_accepted, decision.rejections, start, with_reasons))
            start += batch.num_rows


def write_findings(path: Path, decision: CleaningDecision, row_index: RowIndex) -> None:
    """Writes the notes about accepted rows: `row_id`, `source`, `check`, `severity`, `reason`."""
    notes, row_ids = decision.accepted_notes(), row_index.scratch.open("row_ids")
    columns = {
        "row_id": [bytes(row_ids[finding.row]).decode() for finding in notes],
        SOURCE: [row_index.name_row(finding.row) for finding in notes],
        "check": [finding.check for finding in notes],
        "severity": [decision.rules[finding.check].severity for finding in notes],
        "reason": [finding.reason for finding in notes],
    }
    schema = pa.schema([(name, pa.string()) for name in columns])
    pq.write_table(pa.table(columns, schema=schema), path, compression="zstd")


def write_groups(path: Path, decision: CleaningDecision, row_ids: NDArray[np.bytes_]) -> None:
    """Writes the groups of accepted rows that no split may separate: `row_id`, `group` (the first row's id).

    Near-duplicates, and equal rows that no check rejects; a row may be in a group of each kind.
    """
    pairs = [
        (bytes(row_ids[row]).decode(), cluster.first_id)
        for cluster in decision.clusters
        if sum(bool(decision.is_accepted[row]) for row in cluster.rows) > 1
        for row in cluster.rows
        if decision.is_accepted[row]
    ]
    for rows in decision.equal_rows:
        ids = [bytes(row_ids[row]).decode() for row in rows]
        pairs += [(row_id, min(ids)) for row_id in ids]
    schema = pa.schema([("row_id", pa.string()), ("group", pa.string())])
    pq.write_table(
        pa.table([list(column) for column in zip(*sorted(set(pairs)), strict=True)] or [[], []], schema=schema), path
    )


def _rejected(
    batch: pa.RecordBatch,
    is_accepted: NDArray[np.bool_],
    rejections: dict[int, list[Finding]],
    start: int,
    schema: pa.Schema,
) -> pa.RecordBatch:
    by_row = [rejections[start + row] for row in (~is_accepted).nonzero()[0].tolist()]
    checks = [", ".join(dict.fromkeys(finding.check for finding in findings)) for findings in by_row]
    reasons = ["; ".join(finding.reason for finding in findings) for findings in by_row]
    rejected = batch.filter(pa.array(~is_accepted))
    return pa.RecordBatch.from_arrays(
        [*rejected.columns, pa.array(checks, pa.string()), pa.array(reasons, pa.string())], schema=schema
    )
