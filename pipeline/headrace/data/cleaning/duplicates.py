"""Duplicates: rows with the same content, and those of them whose labels disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Finding
from headrace.data.cleaning.checks import Rule
from headrace.data.cleaning.scan import RowIndex

LABELS_TOLD = 5


def duplicates(facts: RowIndex, is_left: NDArray[np.bool_], rules: Mapping[str, Rule]) -> list[Finding]:
    """Of rows `[rows]` that are left and share a key: the first stays; where labels disagree all are told.

    The first is that of the official test split, if there is one, so that its figures stay comparable; else by row id.
    Where conflicting rows stay, each label keeps its first row. A check that is off finds nothing.
    """
    labels = facts.scratch.open("labels")
    found: list[Finding] = []
    for group in equal_rows(facts, is_left):
        found += _judged(group, [int(labels[row]) for row in group], facts, rules)
    return found


def equal_rows(facts: RowIndex, is_left: NDArray[np.bool_]) -> Iterator[list[int]]:
    """Rows of one content, where there are several: those of the official test split first, then by row id."""
    keys = facts.scratch.read("keys")
    rows = np.flatnonzero(is_left & (keys != b""))
    order = rows[np.argsort(keys[rows], kind="stable")]
    ends = np.flatnonzero(np.append(keys[order][1:] != keys[order][:-1], True)) + 1 if len(order) else np.empty(0, int)
    starts = np.append(0, ends[:-1]) if len(ends) else ends
    del keys
    row_ids, ranks = facts.scratch.open("row_ids"), facts.scratch.open("ranks")
    for start, end in zip(starts[ends - starts > 1].tolist(), ends[ends - starts > 1].tolist(), strict=True):
        yield sorted(order[start:end].tolist(), key=lambda row: (int(ranks[row]), bytes(row_ids[row])))


def _judged(group: list[int], codes: list[int], facts: RowIndex, rules: Mapping[str, Rule]) -> list[Finding]:
    """`group`: rows of one content, the one to keep first; `codes`: their labels."""
    distinct = sorted({facts.labels[code] for code in codes if code >= 0})
    found = []
    if len(distinct) > 1 and rules["conflicting_labels"].severity != "off":
        told = f"{distinct[:LABELS_TOLD]}" + (
            f" and {len(distinct) - LABELS_TOLD} more" * (len(distinct) > LABELS_TOLD)
        )
        found += [Finding(row, "conflicting_labels", f"same content under {told}") for row in group]
        if rules["conflicting_labels"].severity == "drop":
            return found
    if rules["duplicate"].severity == "off":
        return found
    firsts: dict[int, int] = {}
    for row, code in zip(group, codes, strict=True):
        first = firsts.setdefault(code, row)
        if first != row:
            first_id = bytes(facts.scratch.open("row_ids")[first]).decode()
            found.append(Finding(row, "duplicate", f"same content as row {first_id}"))
    return found
