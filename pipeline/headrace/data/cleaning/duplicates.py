"""Duplicates: rows with the same content, and those among them whose labels disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Assumption, Finding
from headrace.data.cleaning.checks import Rule
from headrace.data.cleaning.scan import RowIndex

MAX_LABELS_NAMED = 5
NOTABLE_SHARE = 0.05
"""Fraction of equal rows from which on a person is warned."""
CATEGORIES_SHARE = 0.5
"""Fraction of equal rows from which on a table describes few kinds of things."""


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


def describe_repeats(groups: list[list[int]], num_rows: int, rule: Rule | None) -> Assumption | None:
    """Returns what a person should know about equal rows of a table that were accepted; None if there is none."""
    num_repeated, num_extra = sum(map(len, groups)), sum(len(group) - 1 for group in groups)
    if not num_extra or rule is None or rule.severity == "drop":
        return None
    fate = "equal rows are put into the same split"
    if are_categories(groups, num_rows):
        fate = "they are taken for different things, and equal ones may be in different splits"
    return Assumption(
        stage="clean",
        subject="equal rows",
        text=f"{num_extra:,} of {num_rows:,} rows repeat another and stay, since no column is an id; {fate}",
        setting="clean.checks: {duplicate: drop}",
        is_warning=num_repeated >= NOTABLE_SHARE * num_rows,
    )


def are_categories(groups: list[list[int]], num_rows: int) -> bool:
    """Whether rows are so often equal that they describe few kinds of things, instead of being copies of each other.

    To keep such rows together would leave no row for some splits.
    """
    return sum(map(len, groups)) > CATEGORIES_SHARE * num_rows


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
