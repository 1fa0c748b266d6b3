"""The pass over all rows: the checks of single rows, and the columns that rows are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.contracts import CheckedBatch, Finding, Json, RowChecker, Rows, Spec
from headrace.data.cleaning.checks import CONTRACT_CHECKS, Rule, describe_setting
from headrace.data.cleaning.contract.breaches import find_label_breaches, find_measure_breaches
from headrace.data.cleaning.label_checks import find_label_problem
from headrace.data.sources.row_source import name_rows
from headrace.errors import DataError
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
    """`[rows]`: which duplicate stays first: 0 official test split, 1 validation, 2 others."""
    checked: CheckedBatch
    sources: pa.Array
    """`[rows]`: names of the rows for people, see data/sources/row_source.py."""


@dataclass
class RowIndex:
    """All rows by position, without their content; columns on disk: row_ids, ranks, labels, keys, hashes ...

    The names of the rows are one column of bytes, and one of the ends of the names in it.
    """

    scratch: Scratch
    num_rows: int = 0
    labels: list[str] = field(default_factory=list)
    """Distinct labels, in order of appearance; the column `labels` holds indices into it, -1 for none."""
    findings: list[Finding] = field(default_factory=list)
    """`row` counts from the first row of the dataset."""
    is_multilabel: bool = False
    """Whether a label is a list of names (storage/label_codec.py)."""
    num_name_bytes: int = 0

    @property
    def measures(self) -> list[str]:
        """Names of the measures; each is a column `measure:<name>`."""
        return [name.removeprefix("measure:") for name in self.scratch.names if name.startswith("measure:")]

    def name_row(self, row: int) -> str:
        """Returns the place of a row in the source, for people."""
        ends, names = self._source_columns
        return bytes(names[ends[row - 1] if row else 0 : ends[row]]).decode()

    @cached_property
    def _source_columns(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        return self.scratch.open("source_ends"), self.scratch.open("source_bytes")


def survey_rows(rows: Rows, checker: RowChecker, spec: Spec, rules: Mapping[str, Rule]) -> Json:
    """Returns the statistics of all rows that checks and repairs need."""
    return checker.survey(rows, spec, enabled_options(rules))


def scan_rows(
    rows: Rows, checker: RowChecker, spec: Spec, rules: Mapping[str, Rule], *, survey: Json, scratch: Scratch
) -> RowIndex:
    """Checks every row by itself; raises DataError at the first batch with a finding of severity `error`.

    It names the first such row that no other check rejects.
    """
    row_index, codes = RowIndex(scratch, is_multilabel=spec.task == "multilabel"), dict[str, int]()
    scan = partial(_scan_batch, checker=checker, spec=spec, survey=survey, options=enabled_options(rules))
    for batch_scan in rows.map(scan):
        _raise_first_error(batch_scan, rules)
        _append(row_index, codes, batch_scan)
    row_index.labels = list(codes)
    return row_index


def enabled_options(rules: Mapping[str, Rule]) -> Json:
    """Returns the options of each check that is not off, by name."""
    return {name: rule.options for name, rule in rules.items() if rule.severity != "off"}


def make_row_error(row_name: str, finding: Finding) -> DataError:
    """Returns the error about a row that a check of severity `error` finds."""
    check = finding.check
    cause = "stop" if check in CONTRACT_CHECKS else f"clean.checks.{check}: error"
    return DataError(
        f"{row_name}: {finding.reason} ({cause}); correct that row in the source, or set"
        f" {describe_setting(check, 'drop')}"
    )


def _raise_first_error(batch_scan: BatchScan, rules: Mapping[str, Rule]) -> None:
    findings = batch_scan.checked.findings
    dropped = {finding.row for finding in findings if rules[finding.check].severity == "drop"}
    errors = [f for f in findings if rules[f.check].severity == "error" and f.row not in dropped]
    if errors:
        first = min(errors, key=lambda finding: finding.row)
        raise make_row_error(str(batch_scan.sources[first.row]), first)


def _scan_batch(batch: pa.RecordBatch, *, checker: RowChecker, spec: Spec, survey: Json, options: Json) -> BatchScan:
    encoded = batch.column("label").dictionary_encode()
    labels = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(len(labels)).to_numpy(zero_copy_only=False).astype(np.int32)
    labels.append(None)
    checked = checker.check_batch(batch, spec, survey, options)
    checked.findings.extend(_label_findings(labels, codes, spec, options))
    checked.findings.extend(find_label_breaches(labels, codes, options))
    checked.findings.extend(find_measure_breaches(checked.measures, options))
    ranks = np.array([RANKS.get(split, len(RANKS)) for split in batch.column("split").to_pylist()], np.int8)
    return BatchScan(to_ascii_ids(batch.column("row_id")), labels, codes, ranks, checked, name_rows(batch))


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
    _append_names(row_index, batch_scan.sources)
    row_index.findings += [finding._replace(row=finding.row + row_index.num_rows) for finding in checked.findings]
    row_index.num_rows += len(batch_scan.row_ids)


def _append_names(row_index: RowIndex, names: pa.Array) -> None:
    ends = row_index.num_name_bytes + np.cumsum(pc.binary_length(names).to_numpy(), dtype=np.int64)
    row_index.scratch.append("source_ends", ends)
    row_index.scratch.append("source_bytes", np.frombuffer("".join(names.to_pylist()).encode(), np.uint8))
    row_index.num_name_bytes = int(ends[-1]) if len(ends) else row_index.num_name_bytes
