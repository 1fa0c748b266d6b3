"""The judgement: every check in turn, each on the rows that those before it left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Finding, RowChecker, Spec
from headrace.data.cleaning.checks import Rule
from headrace.data.cleaning.class_sizes import imbalance, rare
from headrace.data.cleaning.duplicates import duplicates, equal_rows
from headrace.data.cleaning.label_errors import Suspect, suspects
from headrace.data.cleaning.near_duplicates import Cluster, near_duplicates
from headrace.data.cleaning.outliers import outliers
from headrace.data.cleaning.scan import RowIndex
from headrace.errors import DataError


@dataclass
class CleaningDecision:
    """Who leaves and why, who stays and what is to be said of it."""

    rules: Mapping[str, Rule]
    is_left: NDArray[np.bool_]
    """`[rows]`: whether a row goes on."""
    faults: dict[int, list[Finding]] = field(default_factory=dict)
    """By row, of those that leave: what made them leave."""
    told: list[Finding] = field(default_factory=list)
    """What is no reason to leave: repairs and warnings, also of rows that left for another reason."""
    remarks: list[tuple[str, str]] = field(default_factory=list)
    """Check and text: about the set as a whole."""
    clusters: list[Cluster] = field(default_factory=list)
    """Near-duplicates."""
    equal: list[list[int]] = field(default_factory=list)
    """Rows of the same content that go on all the same."""
    suspects: list[Suspect] = field(default_factory=list)
    """Rows whose labels look wrong."""

    def add(self, findings: Iterable[Finding]) -> None:
        """Takes findings in, by the severity of their checks."""
        for found in findings:
            if self.rules[found.check].severity == "drop":
                self.faults.setdefault(found.row, []).append(found)
                self.is_left[found.row] = False
            else:
                self.told.append(found)

    def told_of_left(self) -> list[Finding]:
        """What is said of rows that go on."""
        return [found for found in self.told if self.is_left[found.row]]

    def counts(self) -> Counter[tuple[str, str]]:
        """Rows by what became of them (quarantined, repaired, warned) and check; each once a check."""
        left = {(found.row, found.check) for of_row in self.faults.values() for found in of_row}
        stay = {(found.row, found.check) for found in self.told_of_left()}
        counts = Counter(("quarantined", check) for _, check in left)
        counts.update(("repaired" if self.rules[check].severity == "repair" else "warned", check) for _, check in stay)
        return counts


def decide(
    facts: RowIndex, examiner: RowChecker, spec: Spec, rules: Mapping[str, Rule], where: str
) -> CleaningDecision:
    """Judges every row; raises DataError where too few rows of a class, or too few classes, are left."""
    judgement = CleaningDecision(rules, np.ones(facts.num_rows, bool))
    options = {name: rule.options for name, rule in rules.items() if rule.severity != "off"}
    judgement.add(facts.findings)
    if {"duplicate", "conflicting_labels"} & options.keys():
        judgement.add(duplicates(facts, judgement.is_left, rules))
    if "near_duplicate" in options:
        judgement.clusters = near_duplicates(facts, judgement.is_left, examiner, options["near_duplicate"])
        judgement.add(finding for cluster in judgement.clusters for finding in cluster.findings())
    judgement.add(outliers(facts, judgement.is_left, options))
    if spec.task != "regression":
        if "label_error" in options:
            judgement.suspects = suspects(facts, judgement.is_left, options["label_error"])
            judgement.add(suspect.finding() for suspect in judgement.suspects)
        if "rare_class" in options:  # when nothing more makes rows leave
            judgement.add(rare(facts, judgement, rules["rare_class"], where))
        if "imbalance" in options:
            judgement.remarks += imbalance(facts, judgement.is_left, options["imbalance"])
    judgement.equal = list(equal_rows(facts, judgement.is_left))
    return judgement


def refuse_errors(facts: RowIndex, judgement: CleaningDecision, where: str) -> None:
    """Raises DataError for what a check of severity `error` found: of rows the one of the smallest id."""
    errors = {name for name, rule in judgement.rules.items() if rule.severity == "error"}
    row_ids = facts.scratch.open("row_ids")
    found = [one for one in judgement.told_of_left() if one.check in errors]
    if found:
        stop = min(found, key=lambda one: (bytes(row_ids[one.row]), one.check))
        raise DataError(
            f"{where}: row {bytes(row_ids[stop.row]).decode()}: {stop.reason} ({stop.check}, {len(found)} findings of"
            f" severity error); mend it, or set clean.checks.{stop.check}: drop"
        )
    for check, text in judgement.remarks:
        if check in errors:
            raise DataError(f"{where}: {text} ({check}); add rows, or set clean.checks.{check}: warn")
