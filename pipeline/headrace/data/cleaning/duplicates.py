"""Duplicates: rows with the same content, and those among them whose labels disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Finding
from headrace.data.cleaning.checks import Rule
from headrace.data.cleaning.scan import RowIndex

MAX_LABELS_NAMED = 5


def find_duplicates(row_index: RowIndex, is_accepted: NDArray[np.bool_], rules: Mapping[str, Rule]) -> list[Finding]:
    """Finds accepted rows that repeat another one; where the labels disagree, every row of the group is a finding.

    The row that stays is one of the official test split, if there is one, so that test metrics remain comparable;
    else that of the smallest row id. Where conflicting rows stay, the first row of each label stays.
    """
    labels = row_index.scratch.open("labels")
    findings: list[Finding] = []
    for group in group_equal_rows(row_index, is_accepted):
        findings += _check_group(group, [int(labels[row]) for row in group], row_index, rules)
    return findings


def group_equal_rows(row_index: RowIndex, is_accepted: NDArray[np.bool_]) -> Iterator[list[int]]:
    """Yields groups of at least two rows of the same content: the official test split first, then by row id."""
    keys = row_index.scratch.read("keys")
    rows = np.flatnonzero(is_accepted & (keys != b""))
    order = rows[np.argsort(keys[rows], kind="stable")]
    ends = np.flatnonzero(np.append(keys[order][1:] != keys[order][:-1], True)) + 1 if len(order) else np.empty(0, int)
    starts = np.append(0, ends[:-1]) if len(ends) else ends
    del keys
    row_ids, ranks = row_index.scratch.open("row_ids"), row_index.scratch.open("ranks")
    for start, end in zip(starts[ends - starts > 1].tolist(), ends[ends - starts > 1].tolist(), strict=True):
        yield sorted(order[start:end].tolist(), key=lambda row: (int(ranks[row]), bytes(row_ids[row])))


def _check_group(group: list[int], codes: list[int], row_index: RowIndex, rules: Mapping[str, Rule]) -> list[Finding]:
    """Checks one group of equal rows, the one that stays first; `codes`: their labels."""
    labels = sorted({row_index.labels[code] for code in codes if code >= 0})
    findings = []
    if len(labels) > 1 and rules["conflicting_labels"].severity != "off":
        more = f" and {len(labels) - MAX_LABELS_NAMED} more" if len(labels) > MAX_LABELS_NAMED else ""
        reason = f"same content under {labels[:MAX_LABELS_NAMED]}{more}"
        findings += [Finding(row, "conflicting_labels", reason) for row in group]
        if rules["conflicting_labels"].severity == "drop":
            return findings
    if rules["duplicate"].severity == "off":
        return findings
    first_rows: dict[int, int] = {}
    for row, code in zip(group, codes, strict=True):
        first = first_rows.setdefault(code, row)
        if first != row:
            findings.append(Finding(row, "duplicate", f"same content as {row_index.name_row(first)}", repeats=first))
    return findings
