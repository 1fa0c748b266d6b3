"""The pass over all rows: the checks of single rows, and the columns that rows are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import CheckedBatch, Finding, Json, RowChecker, Rows, Spec
from headrace.data.cleaning.checks import Rule
from headrace.data.cleaning.label_checks import find_label_problem
from headrace.storage.scratch import Scratch
from headrace.storage.split_index import to_ascii_ids

NO_LABEL = -1
RANKS = {"test": 0, "val": 1}


class BatchScan(NamedTuple):
    """What a worker process returns for one batch."""

    row_ids: NDArray[np.bytes_]
    labels: list[str | None]
    """Distinct labels."""
    codes: NDArray[np.int32]
    """`[rows]`: indices into `labels`."""
    ranks: NDArray[np.int8]
    """`[rows]`: which duplicate is kept first: 0 official test split, 1 validation, 2 others."""
    checked: CheckedBatch


@dataclass
class RowIndex:
    """All rows by position, without their content; columns on disk: row_ids, ranks, labels, keys, hashes ..."""

    scratch: Scratch
    num_rows: int = 0
    labels: list[str] = field(default_factory=list)
    """Distinct labels, in order of appearance; the column `labels` holds indices into it, -1 for none."""
    findings: list[Finding] = field(default_factory=list)
    """`row` counts from the first row of the dataset."""
    is_multilabel: bool = False
    """Whether a label is a list of names (storage/label_codec.py)."""

    @property
    def measures(self) -> list[str]:
        """Names of the measures; each is a column `measure:<name>`."""
        return [name.removeprefix("measure:") for name in self.scratch.names if name.startswith("measure:")]


def scan_rows(
    rows: Rows, checker: RowChecker, spec: Spec, rules: Mapping[str, Rule], scratch: Scratch
) -> tuple[RowIndex, Json]:
    """Checks every row by itself; returns the index of all rows, and the survey that repairs need."""
    options = {name: rule.options for name, rule in rules.items() if rule.severity != "off"}
    survey = checker.survey(rows, spec, options)
    row_index, codes = RowIndex(scratch, is_multilabel=spec.task == "multilabel"), dict[str, int]()
    for batch_scan in rows.map(partial(_scan_batch, checker=checker, spec=spec, survey=survey, options=options)):
        _append(row_index, codes, batch_scan)
    row_index.labels = list(codes)
    return row_index, survey


def _scan_batch(batch: pa.RecordBatch, *, checker: RowChecker, spec: Spec, survey: Json, options: Json) -> BatchScan:
    encoded = batch.column("label").dictionary_encode()
    labels = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(len(labels)).to_numpy(zero_copy_only=False).astype(np.int32)
    labels.append(None)
    checked = checker.check_batch(batch, spec, survey, options)
    checked.findings.extend(_label_findings(labels, codes, spec, options))
    ranks = np.array([RANKS.get(split, len(RANKS)) for split in batch.column("split").to_pylist()], np.int8)
    return BatchScan(to_ascii_ids(batch.column("row_id")), labels, codes, ranks, checked)


def _label_findings(labels: list[str | None], codes: NDArray[np.int32], spec: Spec, options: Json) -> list[Finding]:
    problems = [find_label_problem(label, spec, options) for label in labels]
    return [Finding(row, *problem) for row, code in enumerate(codes.tolist()) if (problem := problems[code])]


def _append(row_index: RowIndex, codes: dict[str, int], batch_scan: BatchScan) -> None:
    """Appends one batch to the columns."""
    to_code = [NO_LABEL if not label else codes.setdefault(label, len(codes)) for label in batch_scan.labels]
    scratch, checked = row_index.scratch, batch_scan.checked
    scratch.append("row_ids", batch_scan.row_ids)
    scratch.append("ranks", batch_scan.ranks)
    scratch.append("labels", np.array(to_code, np.int32)[batch_scan.codes])
    for name in ("keys", "hashes", "sketches", "features"):
        scratch.append(name, getattr(checked, name))
    for name, values in checked.measures.items():
        scratch.append(f"measure:{name}", values)
    row_index.findings += [finding._replace(row=finding.row + row_index.num_rows) for finding in checked.findings]
    row_index.num_rows += len(batch_scan.row_ids)
