"""The parting: what is written of rows that stay, of those that leave, and of what was said."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from headrace.contracts import Finding, Spec
from headrace.data.checkers import EXAMINERS
from headrace.data.cleaning.checks import rules
from headrace.data.cleaning.decide import CleaningDecision
from headrace.data.cleaning.near_duplicates import Cluster
from headrace.data.cleaning.quarantine import write_findings, write_groups, write_rows
from headrace.storage.parquet import read_table
from tests.drawn import row_id, rows, write_raw

IDS = np.array([row_id(index).encode() for index in range(20)], "S32")


def judgement(**settings):
    """Of 20 texts: 3 and 11 leave, the latter for two reasons; 4, 5 and 11 are told of."""
    made = CleaningDecision(rules(settings, "text"), np.ones(20, bool))
    made.add([Finding(3, "empty", "nothing"), Finding(11, "empty", "nothing"), Finding(11, "undecodable", "broken")])
    made.add([Finding(4, "markup", "1 tag"), Finding(5, "length_outlier", "long"), Finding(11, "markup", "1 tag")])
    return made


@pytest.fixture
def parted(tmp_path):
    """Folders of clean and rejected rows, the raw ones in batches of seven."""

    def part(made):
        listed = rows("text", 20)
        listed[4]["text"] = "<b>bold</b> words"
        paths = write_raw(tmp_path, "text", listed)
        for folder in (paths.clean_dir, paths.quarantine_dir):
            folder.mkdir()
        write_rows(
            paths.raw_dir, (paths.clean_dir, paths.quarantine_dir), spec=Spec.read(paths.raw_dir),
            examiner=EXAMINERS["text"], judgement=made, survey={},
        )  # fmt: skip
        return read_table(paths.clean_dir).to_pylist(), read_table(paths.quarantine_dir).to_pylist()

    return part


def test_rows_go_one_way_or_the_other_in_order(parted):
    clean, rejected = parted(judgement())
    assert [row["row_id"] for row in clean] == [row_id(index) for index in range(20) if index not in (3, 11)]
    assert [(row["row_id"], row["check"], row["reason"]) for row in rejected] == [
        (row_id(3), "empty", "nothing"), (row_id(11), "empty, undecodable", "nothing; broken"),
    ]  # fmt: skip
    assert rejected[0]["text"] == rows("text", 4)[3]["text"]


def test_repaired_rows_keep_what_they_were(parted):
    clean, _ = parted(judgement())
    told = {row["row_id"]: (row["text"], row["original"]) for row in clean if row["original"] is not None}
    assert told == {row_id(4): ("bold words", "<b>bold</b> words")}


@pytest.mark.parametrize("severity", ["warn", "off"])
def test_what_is_not_to_be_repaired_stays_as_it_is(parted, severity):
    clean, _ = parted(judgement(markup=severity))
    assert clean[3]["text"] == "<b>bold</b> words"
    assert {row["original"] for row in clean} == {None}


def test_no_rows_that_leave_are_an_empty_table(parted):
    clean, rejected = parted(CleaningDecision(rules({}, "text"), np.ones(20, bool)))
    assert (len(clean), rejected) == (20, [])


def test_findings_are_of_rows_that_go_on(tmp_path):
    write_findings(tmp_path / "findings.parquet", judgement(), IDS)
    assert pq.read_table(tmp_path / "findings.parquet").to_pylist() == [
        {"row_id": row_id(4), "check": "markup", "severity": "repair", "reason": "1 tag"},
        {"row_id": row_id(5), "check": "length_outlier", "severity": "warn", "reason": "long"},
    ]


def test_groups_are_of_at_least_two_rows_that_go_on(tmp_path):
    made = judgement()
    made.clusters = [
        Cluster([2, 3, 7], row_id(2), {}),  # 3 left
        Cluster([1, 11], row_id(1), {}),  # one is left of it
    ]
    write_groups(tmp_path / "groups.parquet", made, IDS)
    told = pq.read_table(tmp_path / "groups.parquet").to_pylist()
    assert told == sorted(
        ({"row_id": row_id(row), "group": row_id(2)} for row in (2, 7)), key=lambda pair: pair["row_id"]
    )


def test_no_groups_are_an_empty_table(tmp_path):
    write_groups(tmp_path / "groups.parquet", judgement(), IDS)
    table = pq.read_table(tmp_path / "groups.parquet")
    assert (table.num_rows, table.column_names) == (0, ["row_id", "group"])
