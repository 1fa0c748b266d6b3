"""The look at every row: what the checks of single rows find, and the facts that all rows are compared by."""

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
from headrace.data.cleaning.label_checks import label_fault
from headrace.storage.scratch import Scratch
from headrace.storage.split_index import ascii_ids

NO_LABEL = -1
RANKS = {"test": 0, "val": 1}


class BatchScan(NamedTuple):
    """What a process tells of one batch."""

    row_ids: NDArray[np.bytes_]
    labels: list[str | None]
    """Distinct ones."""
    codes: NDArray[np.int32]
    """`[rows]`: indices into `labels`."""
    ranks: NDArray[np.int8]
    """`[rows]`: which of two equal rows stays: 0 for those of the official test split, 1 validation, 2 others."""
    examined: CheckedBatch


@dataclass
class RowIndex:
    """What is known of all rows, by position; columns on disk: row_ids, ranks, labels, keys, hashes ..."""

    scratch: Scratch
    num_rows: int = 0
    labels: list[str] = field(default_factory=list)
    """Distinct labels, in order of appearance; the column `labels` holds indices into it, -1 for none."""
    findings: list[Finding] = field(default_factory=list)
    """`row` counts from the first row of all."""
    is_multilabel: bool = False
    """Whether a label is a list of names (storage/labels.py)."""

    @property
    def measures(self) -> list[str]:
        """Names of the measures; each is a column `measure:<name>`."""
        return [name.removeprefix("measure:") for name in self.scratch.names if name.startswith("measure:")]


def scan(
    rows: Rows, examiner: RowChecker, spec: Spec, rules: Mapping[str, Rule], scratch: Scratch
) -> tuple[RowIndex, Json]:
    """Examines every row; returns the facts, and the survey that repairs need."""
    options = {name: rule.options for name, rule in rules.items() if rule.severity != "off"}
    survey = examiner.survey(rows, spec, options)
    facts, codes = RowIndex(scratch, is_multilabel=spec.task == "multilabel"), dict[str, int]()
    for looked in rows.map(partial(_looked, examiner=examiner, spec=spec, survey=survey, options=options)):
        _add(facts, codes, looked)
    facts.labels = list(codes)
    return facts, survey


def _looked(batch: pa.RecordBatch, *, examiner: RowChecker, spec: Spec, survey: Json, options: Json) -> BatchScan:

    encoded = batch.column("label").dictionary_encode()
    labels = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(len(labels)).to_numpy(zero_copy_only=False).astype(np.int32)
    labels.append(None)
    examined = examiner.examine(batch, spec, survey, options)
    examined.findings.extend(_label_findings(labels, codes, spec, options))
    ranks = np.array([RANKS.get(split, len(RANKS)) for split in batch.column("split").to_pylist()], np.int8)
    return BatchScan(ascii_ids(batch.column("row_id")), labels, codes, ranks, examined)


def _label_findings(labels: list[str | None], codes: NDArray[np.int32], spec: Spec, options: Json) -> list[Finding]:
    faults = [label_fault(label, spec, options) for label in labels]
    found = []
    for row, code in enumerate(codes.tolist()):
        fault = faults[code]
        if fault:
            found.append(Finding(row, *fault))
    return found


def _add(facts: RowIndex, codes: dict[str, int], looked: BatchScan) -> None:
    """Writes one batch's facts behind those of the batches before."""
    to_code = [NO_LABEL if not label else codes.setdefault(label, len(codes)) for label in looked.labels]
    examined = looked.examined
    facts.scratch.append("row_ids", looked.row_ids)
    facts.scratch.append("ranks", looked.ranks)
    facts.scratch.append("labels", np.array(to_code, np.int32)[looked.codes])
    for name in ("keys", "hashes", "sketches", "features"):
        facts.scratch.append(name, getattr(examined, name))
    for name, values in examined.measures.items():
        facts.scratch.append(f"measure:{name}", values)
    facts.findings += [found._replace(row=found.row + facts.num_rows) for found in examined.findings]
    facts.num_rows += len(looked.row_ids)
