"""Decides which rows are accepted: runs every check in turn, each on the rows that the checks before it accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Assumption, Finding, RowChecker, Spec
from headrace.data.cleaning.checks import Rule
from headrace.data.cleaning.class_sizes import find_imbalance, find_rare_classes
from headrace.data.cleaning.duplicates import (
    are_categories,
    describe_repeats,
    find_duplicates,
    group_equal_rows,
)
from headrace.data.cleaning.label_errors import Suspect, find_suspects
from headrace.data.cleaning.near_duplicates import Cluster, find_near_duplicates
from headrace.data.cleaning.outliers import find_outliers
from headrace.data.cleaning.scan import RowIndex, enabled_options, make_row_error
from headrace.errors import DataError


@dataclass
class CleaningDecision:
    """Which rows are rejected and why, and what the report says about the others."""

    rules: Mapping[str, Rule]
    is_accepted: NDArray[np.bool_]
    """`[rows]`"""
    rejections: dict[int, list[Finding]] = field(default_factory=dict)
    """Rejected row -> the findings that rejected it."""
    notes: list[Finding] = field(default_factory=list)
    """Repairs and warnings, also about rows that were rejected for another reason."""
    errors: list[Finding] = field(default_factory=list)
    """Those of the notes whose checks have the severity `error`."""
    remarks: list[tuple[str, str]] = field(default_factory=list)
    """Check and text: about the dataset as a whole."""
    clusters: list[Cluster] = field(default_factory=list)
    """Near-duplicates."""
    equal_rows: list[list[int]] = field(default_factory=list)
    """Accepted rows that have the same content, and belong into the same split."""
    assumptions: list[Assumption] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    """Rows whose labels look wrong."""

    def add(self, findings: Iterable[Finding]) -> None:
        """Sorts findings into rejections and notes by the severity of their checks."""
        for finding in findings:
            if self.rules[finding.check].severity == "drop":
                self.rejections.setdefault(finding.row, []).append(finding)
                self.is_accepted[finding.row] = False
                continue
            self.notes.append(finding)
            if self.rules[finding.check].severity == "error":
                self.errors.append(finding)

    def accepted_notes(self) -> list[Finding]:
        """Returns the notes about accepted rows."""
        return [finding for finding in self.notes if self.is_accepted[finding.row]]

    def counts(self) -> Counter[tuple[str, str]]:
        """Counts rows by outcome (quarantined, repaired, warned) and check, once for each check."""
        rejected = {(finding.row, finding.check) for findings in self.rejections.values() for finding in findings}
        noted = {(finding.row, finding.check) for finding in self.accepted_notes()}
        counts = Counter(("quarantined", check) for _, check in rejected)
        counts.update(("repaired" if self.rules[check].severity == "repair" else "warned", check) for _, check in noted)
        return counts


def decide_rows(
    row_index: RowIndex, checker: RowChecker, spec: Spec, rules: Mapping[str, Rule], where: str
) -> CleaningDecision:
    """Runs the checks that compare rows; raises DataError where too few rows of a class are accepted.

    Also raises it after the first check of severity `error` that finds something.
    """
    decision = CleaningDecision(rules, np.ones(row_index.num_rows, bool))
    options = enabled_options(rules)
    is_accepted = decision.is_accepted  # `add` updates it in place

    def add(findings: Iterable[Finding]) -> None:
        decision.add(findings)
        _raise_first_error(row_index, decision)

    add(row_index.findings)
    if {"duplicate", "conflicting_labels"} & options.keys():
        add(find_duplicates(row_index, is_accepted, rules))
    if "near_duplicate" in options:
        decision.clusters = find_near_duplicates(row_index, is_accepted, checker, options["near_duplicate"])
        add(finding for cluster in decision.clusters for finding in cluster.findings(row_index.name_row))
    add(find_outliers(row_index, is_accepted, options))
    if spec.task != "regression":
        if "label_error" in options:
            decision.suspects = find_suspects(row_index, is_accepted, options["label_error"])
            add(suspect.finding() for suspect in decision.suspects)
        if "rare_class" in options:  # after every other check that rejects rows
            rule = rules["rare_class"]
            add(find_rare_classes(row_index, is_accepted, decision.rejections, rule=rule, where=where))
        if "imbalance" in options:
            decision.remarks += find_imbalance(row_index, is_accepted, options["imbalance"])
            _raise_remarks(decision, where)
    decision.equal_rows = list(group_equal_rows(row_index, is_accepted))
    if spec.modality == "table":
        num_rows = int(is_accepted.sum())
        repeats = describe_repeats(decision.equal_rows, num_rows, rules.get("duplicate"))
        decision.assumptions += [repeats] if repeats else []
        if are_categories(decision.equal_rows, num_rows):
            decision.equal_rows = []
    return decision


def _raise_first_error(row_index: RowIndex, decision: CleaningDecision) -> None:
    """Raises DataError for the first accepted row that a check of severity `error` found."""
    errors = [finding for finding in decision.errors if decision.is_accepted[finding.row]]
    if errors:
        first = min(errors, key=lambda finding: finding.row)
        raise make_row_error(row_index.name_row(first.row), first)


def _raise_remarks(decision: CleaningDecision, where: str) -> None:
    """Raises DataError for a remark of severity `error` about the dataset as a whole."""
    for check, text in decision.remarks:
        if decision.rules[check].severity == "error":
            raise DataError(f"{where}: {text} ({check}); add rows, or set clean.checks.{check}: warn")
