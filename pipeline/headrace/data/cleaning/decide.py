"""Decides which rows are accepted: runs every check in turn, each on the rows that the checks before it accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Finding, RowChecker, Spec
from headrace.data.cleaning.checks import Rule
from headrace.data.cleaning.class_sizes import find_imbalance, find_rare_classes
from headrace.data.cleaning.duplicates import find_duplicates, group_equal_rows
from headrace.data.cleaning.label_errors import Suspect, find_suspects
from headrace.data.cleaning.near_duplicates import Cluster, find_near_duplicates
from headrace.data.cleaning.outliers import find_outliers
from headrace.data.cleaning.scan import RowIndex
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
    remarks: list[tuple[str, str]] = field(default_factory=list)
    """Check and text: about the dataset as a whole."""
    clusters: list[Cluster] = field(default_factory=list)
    """Near-duplicates."""
    equal_rows: list[list[int]] = field(default_factory=list)
    """Accepted rows that have the same content."""
    suspects: list[Suspect] = field(default_factory=list)
    """Rows whose labels look wrong."""

    def add(self, findings: Iterable[Finding]) -> None:
        """Sorts findings into rejections and notes by the severity of their checks."""
        for finding in findings:
            if self.rules[finding.check].severity == "drop":
                self.rejections.setdefault(finding.row, []).append(finding)
                self.is_accepted[finding.row] = False
            else:
                self.notes.append(finding)

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
    """Runs the checks that compare rows; raises DataError where too few rows of a class are accepted."""
    decision = CleaningDecision(rules, np.ones(row_index.num_rows, bool))
    options = {name: rule.options for name, rule in rules.items() if rule.severity != "off"}
    is_accepted = decision.is_accepted  # `add` updates it in place
    decision.add(row_index.findings)
    if {"duplicate", "conflicting_labels"} & options.keys():
        decision.add(find_duplicates(row_index, is_accepted, rules))
    if "near_duplicate" in options:
        decision.clusters = find_near_duplicates(row_index, is_accepted, checker, options["near_duplicate"])
        decision.add(finding for cluster in decision.clusters for finding in cluster.findings())
    decision.add(find_outliers(row_index, is_accepted, options))
    if spec.task != "regression":
        if "label_error" in options:
            decision.suspects = find_suspects(row_index, is_accepted, options["label_error"])
            decision.add(suspect.finding() for suspect in decision.suspects)
        if "rare_class" in options:  # after every other check that rejects rows
            rule = rules["rare_class"]
            decision.add(find_rare_classes(row_index, is_accepted, decision.rejections, rule=rule, where=where))
        if "imbalance" in options:
            decision.remarks += find_imbalance(row_index, is_accepted, options["imbalance"])
    decision.equal_rows = list(group_equal_rows(row_index, is_accepted))
    return decision


def raise_errors(row_index: RowIndex, decision: CleaningDecision, where: str) -> None:
    """Raises DataError for findings of severity `error`; of several rows it names the one with the smallest id."""
    errors = {name for name, rule in decision.rules.items() if rule.severity == "error"}
    row_ids = row_index.scratch.open("row_ids")
    findings = [finding for finding in decision.accepted_notes() if finding.check in errors]
    if findings:
        first = min(findings, key=lambda finding: (bytes(row_ids[finding.row]), finding.check))
        raise DataError(
            f"{where}: row {bytes(row_ids[first.row]).decode()}: {first.reason} ({first.check}, {len(findings)}"
            f" findings of severity error); fix it, or set clean.checks.{first.check}: drop"
        )
    for check, text in decision.remarks:
        if check in errors:
            raise DataError(f"{where}: {text} ({check}); add rows, or set clean.checks.{check}: warn")
