"""The look at every row: facts by position, labels that cannot be learned from, measures of whatever name."""

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Column, Spec
from headrace.data.checkers import EXAMINERS
from headrace.data.cleaning.checks import rules
from headrace.data.cleaning.scan import scan
from headrace.storage.scratch import Scratch
from tests.drawn import TABLE_COLUMNS, faulty_rows, row_id, rows, schema_of


class Listed:
    """Rows in batches of five, worked on here."""

    def __init__(self, modality, listed):
        self.batches = [
            pa.RecordBatch.from_pylist(listed[start : start + 5], schema_of(modality))
            for start in range(0, len(listed), 5)
        ]

    def map(self, work):
        return map(work, self.batches)


def looked(folder, modality, listed, task="classification", **settings):
    columns = [Column(name=name, kind=kind) for name, kind in TABLE_COLUMNS.items()] if modality == "table" else []
    spec = Spec(modality=modality, task=task, source="x", format="x", num_rows=len(listed), columns=columns)
    return scan(Listed(modality, listed), EXAMINERS[modality], spec, rules(settings, modality), Scratch(folder))


def found(facts):
    return {(one.row, one.check) for one in facts.findings}


@pytest.mark.parametrize("modality", ["image", "text", "table"])
def test_facts_of_every_row_stand_at_its_position(tmp_path, modality):
    listed = rows(modality, 12)
    listed[3]["split"], listed[4]["split"] = "test", "val"
    facts, _ = looked(tmp_path, modality, listed)
    assert facts.num_rows == 12
    assert facts.scratch.read("row_ids").tolist() == [row["row_id"].encode() for row in listed]
    assert [facts.labels[code] for code in facts.scratch.read("labels")] == [row["label"] for row in listed]
    assert facts.scratch.read("ranks").tolist() == [2, 2, 2, 0, 1, *[2] * 7]
    assert len(set(facts.scratch.read("keys").tolist())) == 12
    assert facts.measures
    assert all(len(facts.scratch.read(f"measure:{name}")) == 12 for name in facts.measures)
    facts.scratch.close()


@pytest.mark.parametrize("modality", ["image", "text", "table"])
def test_findings_are_of_rows_not_of_places_in_batches(tmp_path, modality):
    listed = rows(modality, 20) + faulty_rows(modality)
    facts, _ = looked(tmp_path, modality, listed)
    wanted = {
        "image": {(23, "undecodable"), (24, "undecodable"), (25, "blank")},
        "text": {(23, "undecodable"), (24, "empty"), (25, "control_characters"), (25, "markup")},
        "table": {(23, "mixed_types"), (24, "empty"), (25, "impossible_date"), (25, "out_of_range")},
    }[modality]
    assert wanted | {(20, "missing_label")} <= found(facts)
    assert {row for row, check in found(facts) if check in {check for _, check in wanted}} == {row for row, _ in wanted}
    facts.scratch.close()


def test_column_whose_name_is_a_path_is_no_path(tmp_path):
    facts, _ = looked(tmp_path / ".", "table", rows("table", 6))
    assert "share/of" in facts.measures
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*"))
    facts.scratch.close()


def test_labels_that_are_not_known_are_told(tmp_path):
    listed = rows("text", 6)
    listed[2]["label"], listed[3]["label"] = "", "dgo"
    facts, _ = looked(tmp_path, "text", listed, unknown_label={"known": ["cat", "dog"]})
    assert found(facts) >= {(2, "missing_label"), (3, "unknown_label")}
    assert facts.scratch.read("labels").tolist()[2] == -1
    facts.scratch.close()


@pytest.mark.parametrize(("label", "is_number"), [
    ("3", True), ("-1e3", True), (" 2.5 ", True), ("nan", False), ("inf", False), ("1e39", False), ("three", False),
])  # fmt: skip
def test_targets_that_are_no_numbers_are_told(tmp_path, label, is_number):
    listed = rows("text", 1)
    listed[0]["label"] = label
    facts, _ = looked(tmp_path, "text", listed, task="regression")
    assert ((0, "unknown_label") not in found(facts)) == is_number
    facts.scratch.close()


def test_what_nobody_looks_for_is_not_kept(tmp_path):
    facts, _ = looked(tmp_path, "image", rows("image", 3), near_duplicate="off", label_error="off")
    assert [facts.scratch.read(name).size for name in ("hashes", "sketches", "features")] == [0, 0, 0]
    assert np.isfinite(facts.scratch.read("measure:brightness")).all()
    assert facts.scratch.read("row_ids")[0].decode() == row_id(0)
    facts.scratch.close()
