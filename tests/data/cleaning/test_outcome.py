"""The outcome of cleaning: which columns and classes remain, and the metrics."""

import numpy as np
import pytest

from headrace.contracts import Column, ColumnFinding, Finding, Spec
from headrace.data.cleaning.checks import resolve_rules
from headrace.data.cleaning.decide import CleaningDecision
from headrace.data.cleaning.outcome import (
    QuarantineBounds,
    check_bounds,
    check_columns,
    count_outcomes,
    make_clean_spec,
)
from headrace.errors import DataError

COLUMNS = [Column(name=name, kind="numeric") for name in ("size", "weight")]
SPEC = Spec(modality="table", task="classification", source="x", format="x", num_rows=6, columns=COLUMNS)
CONSTANT = ColumnFinding("weight", "constant_column", "only 1")


class ColumnChecker:
    """A checker that finds the given columns."""

    def __init__(self, *findings: ColumnFinding) -> None:
        self.findings = findings

    def check_columns(self, *_: object) -> list[ColumnFinding]:
        return list(self.findings)


def rules(**settings):
    return resolve_rules(settings, "table")


@pytest.fixture
def row_index(make_row_index):
    """Three rows of `a`, two of `b`, one without a label."""
    return make_row_index([*"aaabb", None])


def decision(*rejected, **settings):
    """All of six rows but the `rejected` ones, which have no label."""
    is_accepted = np.ones(6, bool)
    is_accepted[list(rejected)] = False
    rejections = {row: [Finding(row, "missing_label", "no label")] for row in rejected}
    decided = CleaningDecision(rules(**settings), is_accepted)
    decided.rejections.update(rejections)
    return decided


def test_check_columns_returns_findings_of_checks_that_are_on():
    checker = ColumnChecker(CONSTANT, ColumnFinding("size", "no_such_check", ""))
    assert check_columns(checker, SPEC, {}, rules(), "data/raw") == [CONSTANT]


def test_check_columns_raises_for_a_column_with_severity_error():
    with pytest.raises(
        DataError, match=r"^data/raw: column 'weight': only 1 \(constant_column\); fix it, leave it out"
    ):
        check_columns(ColumnChecker(CONSTANT), SPEC, {}, rules(constant_column="error"), "data/raw")


def test_clean_spec_has_the_remaining_rows_classes_and_columns(row_index):
    survey = {"columns": {"size": {"order": "day"}}}
    clean = make_clean_spec(SPEC, row_index, decision(5), [CONSTANT], survey, "data/raw")
    assert (clean.num_rows, clean.classes) == (5, ["a", "b"])
    assert [(column.name, column.date_order) for column in clean.columns] == [("size", "day")]
    assert clean.other_columns == [*SPEC.other_columns, "weight"], "a served model takes whole rows of the source"


def test_clean_spec_keeps_a_column_that_only_gets_a_warning(row_index):
    warned = decision(5, constant_column="warn")
    assert make_clean_spec(SPEC, row_index, warned, [CONSTANT], {}, "data/raw").columns == COLUMNS


def test_clean_spec_of_one_class_raises_with_the_reasons(row_index):
    with pytest.raises(DataError, match=r"^data/raw: usable rows of 1 classes \(.*missing_label.*at least two"):
        make_clean_spec(SPEC, row_index, decision(3, 4, 5), [], {}, "data/raw")


def test_clean_spec_without_columns_raises_with_the_reasons(row_index):
    findings = [CONSTANT, ColumnFinding("size", "constant_column", "only 2")]
    with pytest.raises(DataError, match=r"no column is left to learn from \(weight: only 1; size: only 2\)"):
        make_clean_spec(SPEC, row_index, decision(5), findings, {}, "data/raw")


def test_count_outcomes_by_row_and_column_check(row_index):
    decided = decision(5)
    clean = make_clean_spec(SPEC, row_index, decided, [CONSTANT], {}, "data/raw")
    metrics = count_outcomes(clean, row_index, decided, [CONSTANT])
    assert (metrics["rows_in"], metrics["rows_out"], metrics["quarantined"]) == (6, 5, 1)
    assert (metrics["quarantined_missing_label"], metrics["columns_constant_column"]) == (1, 1)
    assert metrics["classes"] == 2
    assert metrics["imbalance"] == 1.5


def test_rejected_rows_beyond_the_bound_raise_with_the_commonest_reason(row_index):
    decided = decision()
    for row in range(3):
        decided.rejections[row] = [Finding(row, "empty" if row else "duplicate", f"reason {row}")]
    check_bounds(row_index, decided, QuarantineBounds(rows=0.5, targets=0), "data/raw")
    with pytest.raises(
        DataError,
        match=r"^data/raw: 3 of 6 rows are rejected \(3 rejected, 2 empty, 1 duplicate\), such as rows\.csv:3: reason"
        r" 1; at most 40% may; .*clean\.checks\.empty: warn .* raise clean\.max_quarantined$",
    ):
        check_bounds(row_index, decided, QuarantineBounds(rows=0.4, targets=0), "data/raw")


def test_rejected_targets_have_a_bound_of_their_own(row_index):
    decided = decision(3, 4, 5)
    check_bounds(row_index, decided, QuarantineBounds(rows=0, targets=0.5), "data/raw")
    with pytest.raises(DataError, match=r"3 of 6 rows have no usable target .* raise clean\.max_rejected_targets$"):
        check_bounds(row_index, decided, QuarantineBounds(rows=0, targets=0.4), "data/raw")


def test_columns_that_are_left_out_and_orders_of_dates_are_assumptions(row_index):
    identity = ColumnFinding("size", "id_column", "6 distinct values")
    columns = [Column(name="size", kind="categorical"), *COLUMNS[1:]]
    spec = SPEC.model_copy(update={"columns": columns})
    survey = {"columns": {"weight": {"order": "dmy", "num_by_order": (9, 9)}, "size": {"order": None}}}
    clean = make_clean_spec(spec, row_index, decision(5), [identity], survey, "data/raw")
    assert [(a.subject, a.text, a.setting, a.is_warning) for a in clean.assumptions] == [
        ("column 'size'", "left out: 6 distinct values", "clean.checks.id_column: warn", True),
        (
            "column 'weight'", "3/4/2024 is read day first: 9 of its cells are dates day first, 9 month first",
            "ingest.table.date_order: mdy", True,
        ),
    ]  # fmt: skip
