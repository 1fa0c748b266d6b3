"""The parting: clean rows one way, rejected ones the other, each with what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.contracts import Finding, Json, RowChecker, Spec
from headrace.data.cleaning.decide import CleaningDecision
from headrace.storage.parquet import ShardWriter, read_schema, read_shards


def write_rows(
    raw_dir: Path,
    into: tuple[Path, Path],
    *,
    spec: Spec,
    examiner: RowChecker,
    judgement: CleaningDecision,
    survey: Json,
) -> None:
    """Reads the raw rows once more; `into`: folders of clean (repaired) rows, and of rejected ones with reasons."""
    raw = read_schema(raw_dir)
    options = {name: rule.options for name, rule in judgement.rules.items() if rule.severity == "repair"}
    with_original = examiner.schema(raw, spec).append(pa.field("original", pa.string()))
    with_reasons = raw.append(pa.field("check", pa.string())).append(pa.field("reason", pa.string()))
    start = 0
    with ShardWriter(into[0], with_original) as clean, ShardWriter(into[1], with_reasons) as quarantine:
        for batch in read_shards(raw_dir):
            is_left = judgement.is_left[start : start + batch.num_rows]
            kept = batch.filter(pa.array(is_left))
            if kept.num_rows:
                repaired = examiner.repair(kept, spec, survey, options)
                originals = pa.array(repaired.originals, pa.string())
                clean.write(pa.RecordBatch.from_arrays([*repaired.batch.columns, originals], schema=with_original))
            quarantine.write(_rejected(batch, is_left, judgement.faults, start, with_reasons))
            start += batch.num_rows


def _rejected(
    batch: pa.RecordBatch, is_left: NDArray[np.bool_], faults: dict[int, list[Finding]], start: int, schema: pa.Schema
) -> pa.RecordBatch:

    found = [faults[start + row] for row in (~is_left).nonzero()[0].tolist()]
    names = [", ".join(dict.fromkeys(one.check for one in of_row)) for of_row in found]
    reasons = ["; ".join(one.reason for one in of_row) for of_row in found]
    rejected = batch.filter(pa.array(~is_left))
    return pa.RecordBatch.from_arrays(
        [*rejected.columns, pa.array(names, pa.string()), pa.array(reasons, pa.string())], schema=schema
    )


def write_findings(path: Path, judgement: CleaningDecision, row_ids: NDArray[np.bytes_]) -> None:
    """What is said of rows that go on: `row_id`, `check`, `severity`, `reason`."""
    told = judgement.told_of_left()
    columns = {
        "row_id": [bytes(row_ids[found.row]).decode() for found in told],
        "check": [found.check for found in told],
        "severity": [judgement.rules[found.check].severity for found in told],
        "reason": [found.reason for found in told],
    }
    schema = pa.schema([(name, pa.string()) for name in columns])
    pq.write_table(pa.table(columns, schema=schema), path, compression="zstd")


def write_groups(path: Path, judgement: CleaningDecision, row_ids: NDArray[np.bytes_]) -> None:
    """Clusters of rows that go on and that no split may part: `row_id`, `group` (the first one's row id).

    Near-duplicates, and equal rows that no check drops; a row may be in a cluster of each kind.
    """
    pairs = [
        (bytes(row_ids[row]).decode(), cluster.first_id)
        for cluster in judgement.clusters
        if sum(bool(judgement.is_left[row]) for row in cluster.rows) > 1
        for row in cluster.rows
        if judgement.is_left[row]
    ]
    for rows in judgement.equal:
        ids = [bytes(row_ids[row]).decode() for row in rows]
        pairs += [(row_id, min(ids)) for row_id in ids]
    schema = pa.schema([("row_id", pa.string()), ("group", pa.string())])
    pq.write_table(
        pa.table([list(column) for column in zip(*sorted(set(pairs)), strict=True)] or [[], []], schema=schema), path
    )
