"""Files of accepted rows, of rejected rows with their reasons, and of findings and groups."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from headrace.contracts import Finding, Spec
from headrace.data.checkers import CHECKERS
from headrace.data.cleaning.checks import resolve_rules
from headrace.data.cleaning.decide import CleaningDecision
from headrace.data.cleaning.near_duplicates import Cluster
from headrace.data.cleaning.quarantine import write_findings, write_groups, write_rows
from headrace.storage.parquet import read_table
from tests.drawn import row_id, rows, write_raw

IDS = np.array([row_id(index).encode() for index in range(20)], "S32")


def decide(**settings):
    """20 texts: 3 and 11 are rejected, 11 for two reasons; 4, 5 and 11 have notes."""
    decision = CleaningDecision(resolve_rules(settings, "text"), np.ones(20, bool))
    decision.add(
        [Finding(3, "empty", "nothing"), Finding(11, "empty", "nothing"), Finding(11, "undecodable", "broken")]
    )
    decision.add([Finding(4, "markup", "1 tag"), Finding(5, "length_outlier", "long"), Finding(11, "markup", "1 tag")])
    return decision


@pytest.fixture
def write(tmp_path):
    """Writes a decision; returns the clean and the rejected rows."""

    def write_decision(decision):
        listed = rows("text", 20)
        listed[4]["text"] = "<b>bold</b> words"
        paths = write_raw(tmp_path, "text", listed)
        for folder in (paths.clean_dir, paths.quarantine_dir):
            folder.mkdir()
        write_rows(
            paths.raw_dir, (paths.clean_dir, paths.quarantine_dir), spec=Spec.read(paths.raw_dir),
            checker=CHECKERS["text"], decision=decision, survey={},
        )  # fmt: skip
        return read_table(paths.clean_dir).to_pylist(), read_table(paths.quarantine_dir).to_pylist()

    return write_decision


def test_every_row_is_accepted_or_rejected_in_order(write):
    clean, rejected = write(decide())
    assert [row["row_id"] for row in clean] == [row_id(index) for index in range(20) if index not in (3, 11)]
    assert [(row["row_id"], row["check"], row["reason"]) for row in rejected] == [
        (row_id(3), "empty", "nothing"), (row_id(11), "empty, undecodable", "nothing; broken"),
    ]  # fmt: skip
    assert rejected[0]["text"] == rows("text", 4)[3]["text"]


def test_repaired_rows_store_their_original(write):
    clean, _ = write(decide())
    repaired = {row["row_id"]: (row["text"], row["original"]) for row in clean if row["original"] is not None}
    assert repaired == {row_id(4): ("bold words", "<b>bold</b> words")}


@pytest.mark.parametrize("severity", ["warn", "off"])
def test_checks_that_do_not_repair_change_nothing(write, severity):
    clean, _ = write(decide(markup=severity))
    assert clean[3]["text"] == "<b>bold</b> words"
    assert {row["original"] for row in clean} == {None}


def test_no_rejected_rows_are_an_empty_table(write):
    clean, rejected = write(CleaningDecision(resolve_rules({}, "text"), np.ones(20, bool)))
    assert (len(clean), rejected) == (20, [])


def test_findings_are_about_accepted_rows(tmp_path, make_row_index):
    write_findings(tmp_path / "findings.parquet", decide(), make_row_index(["a"] * 20, row_ids=IDS))
    assert pq.read_table(tmp_path / "findings.parquet").to_pylist() == [
        {"row_id": row_id(4), "source": "rows.csv:6", "check": "markup", "severity": "repair", "reason": "1 tag"},
        {"row_id": row_id(5), "source": "rows.csv:7", "check": "length_outlier", "severity": "warn", "reason": "long"},
    ]


def test_groups_have_at_least_two_accepted_rows(tmp_path):
    decision = decide()
    decision.clusters = [
        Cluster([2, 3, 7], row_id(2), {}),  # 3 is rejected
        Cluster([1, 11], row_id(1), {}),  # 11 is rejected
    ]
    write_groups(tmp_path / "groups.parquet", decision, IDS)
    groups = pq.read_table(tmp_path / "groups.parquet").to_pylist()
    assert groups == sorted(
        ({"row_id": row_id(row), "group": row_id(2)} for row in (2, 7)), key=lambda pair: pair["row_id"]
    )


def test_no_groups_are_an_empty_table(tmp_path):
    write_groups(tmp_path / "groups.parquet", decide(), IDS)
    table = pq.read_table(tmp_path / "groups.parquet")
    assert (table.num_rows, table.column_names) == (0, ["row_id", "group"])
