"""The scan of all rows: columns by position, labels that are invalid, measures of any name."""

from contextlib import closing

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Column, Spec
from headrace.data.checkers import CHECKERS
from headrace.data.cleaning.checks import resolve_rules
from headrace.data.cleaning.scan import scan_rows, survey_rows
from headrace.errors import DataError
from headrace.storage.scratch import Scratch
from tests.drawn import TABLE_COLUMNS, faulty_rows, row_id, rows, schema_of


class ListedRows:
    """Rows in batches of five, in this process."""

    def __init__(self, modality, listed):
        self.batches = [
            pa.RecordBatch.from_pylist(listed[start : start + 5], schema_of(modality))
            for start in range(0, len(listed), 5)
        ]

    def map(self, work):
        return map(work, self.batches)


def scan(folder, modality, listed, task="classification", **settings):
    columns = [Column(name=name, kind=kind) for name, kind in TABLE_COLUMNS.items()] if modality == "table" else []
    spec = Spec(modality=modality, task=task, source="x", format="x", num_rows=len(listed), columns=columns)
    listed_rows, checker, rules = ListedRows(modality, listed), CHECKERS[modality], resolve_rules(settings, modality)
    survey = survey_rows(listed_rows, checker, spec, rules)
    return scan_rows(listed_rows, checker, spec, rules, survey=survey, scratch=Scratch(folder))


def list_findings(row_index):
    return {(finding.row, finding.check) for finding in row_index.findings}


@pytest.mark.parametrize("modality", ["image", "text", "table"])
def test_columns_have_every_row_at_its_position(tmp_path, modality):
    listed = rows(modality, 12)
    listed[3]["split"], listed[4]["split"] = "test", "val"
    row_index = scan(tmp_path, modality, listed)
    assert row_index.num_rows == 12
    assert row_index.scratch.read("row_ids").tolist() == [row["row_id"].encode() for row in listed]
    assert [row_index.labels[code] for code in row_index.scratch.read("labels")] == [row["label"] for row in listed]
    assert row_index.scratch.read("ranks").tolist() == [2, 2, 2, 0, 1, *[2] * 7]
    assert len(set(row_index.scratch.read("keys").tolist())) == 12
    assert row_index.measures
    assert all(len(row_index.scratch.read(f"measure:{name}")) == 12 for name in row_index.measures)
    row_index.scratch.close()


@pytest.mark.parametrize("modality", ["image", "text", "table"])
def test_findings_count_rows_from_the_first_batch(tmp_path, modality):
    listed = rows(modality, 20) + faulty_rows(modality)
    row_index = scan(tmp_path, modality, listed)
    expected = {
        "image": {(23, "undecodable"), (24, "undecodable"), (25, "blank")},
        "text": {(23, "undecodable"), (24, "empty"), (25, "control_characters"), (25, "markup")},
        "table": {(23, "mixed_types"), (24, "empty"), (25, "impossible_date"), (25, "out_of_range")},
    }[modality]
    assert expected | {(20, "missing_label")} <= list_findings(row_index)
    assert {row for row, check in list_findings(row_index) if check in {check for _, check in expected}} == {
        row for row, _ in expected
    }
    row_index.scratch.close()


def test_column_named_like_a_path_creates_no_folder(tmp_path):
    row_index = scan(tmp_path / ".", "table", rows("table", 6))
    assert "share/of" in row_index.measures
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*"))
    row_index.scratch.close()


class CountedRows(ListedRows):
    """Counts the batches that were worked on."""

    num_done = 0

    def map(self, work):
        for batch in self.batches:
            self.num_done += 1
            yield work(batch)


def test_severity_error_stops_at_the_first_batch_with_such_a_row(tmp_path):
    listed = rows("table", 20)
    listed[7]["size"], listed[12]["size"] = "many", "few"
    listed[6] |= {"size": "none", "label": None}  # rejected by missing_label
    counted, rules = CountedRows("table", listed), resolve_rules({"mixed_types": "error"}, "table")
    columns = [Column(name=name, kind=kind) for name, kind in TABLE_COLUMNS.items()]
    spec = Spec(modality="table", task="classification", source="x", format="x", num_rows=20, columns=columns)
    survey = survey_rows(ListedRows("table", listed), CHECKERS["table"], spec, rules)
    line = (
        r"^rows\.csv:9: size: 'many' is not a number \(clean\.checks\.mixed_types: error\); correct that row in the"
        r" source, or set clean\.checks\.mixed_types: drop$"
    )
    with closing(Scratch(tmp_path)) as scratch, pytest.raises(DataError, match=line):
        scan_rows(counted, CHECKERS["table"], spec, rules, survey=survey, scratch=scratch)
    assert counted.num_done == 2


@pytest.mark.parametrize("modality", ["image", "text", "table"])
def test_rows_are_named_by_their_place_in_the_source(tmp_path, modality):
    listed = rows(modality, 12)
    listed[8]["source"] = "fotos/\u00e9t\u00e9.png"
    del listed[11]["source"]
    row_index = scan(tmp_path, modality, listed)
    names = [row_index.name_row(row) for row in (0, 7, 8, 9, 11)]
    assert names == ["rows.csv:2", "rows.csv:9", "fotos/\u00e9t\u00e9.png", "rows.csv:11", f"row {row_id(11)}"]
    row_index.scratch.close()


def test_missing_and_unknown_labels_are_findings(tmp_path):
    listed = rows("text", 6)
    listed[2]["label"], listed[3]["label"] = "", "dgo"
    row_index = scan(tmp_path, "text", listed, unknown_label={"known": ["cat", "dog"]})
    assert list_findings(row_index) >= {(2, "missing_label"), (3, "unknown_label")}
    assert row_index.scratch.read("labels").tolist()[2] == -1
    row_index.scratch.close()


@pytest.mark.parametrize(("label", "is_number"), [
    ("3", True), ("-1e3", True), (" 2.5 ", True), ("nan", False), ("inf", False), ("1e39", False), ("three", False),
])  # fmt: skip
def test_targets_that_are_not_finite_are_findings(tmp_path, label, is_number):
    listed = rows("text", 1)
    listed[0]["label"] = label
    row_index = scan(tmp_path, "text", listed, task="regression")
    assert ((0, "unknown_label") not in list_findings(row_index)) == is_number
    row_index.scratch.close()


def test_columns_of_checks_that_are_off_are_empty(tmp_path):
    row_index = scan(tmp_path, "image", rows("image", 3), near_duplicate="off", label_error="off")
    assert [row_index.scratch.read(name).size for name in ("hashes", "sketches", "features")] == [0, 0, 0]
    assert np.isfinite(row_index.scratch.read("measure:brightness")).all()
    assert row_index.scratch.read("row_ids")[0].decode() == row_id(0)
    row_index.scratch.close()
