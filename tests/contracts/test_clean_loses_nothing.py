"""For any rows and severities: each row is accepted or rejected with a reason, and the order does not matter."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.contracts import Spec
from headrace.data.cleaning.checks import CHECKS, allowed_severities, resolve_rules
from headrace.errors import ConfigError, DataError
from headrace.stages import clean
from headrace.storage.parquet import read_table
from tests.drawn import MODALITIES, TABLE_COLUMNS, content, noise, png, row_id, rows, write_raw

ODD = {
    "image": st.one_of(
        st.integers(0, 6).map(lambda seed: {"image": png(noise(seed))}),
        st.sampled_from([b"", b"x", png(noise(0))[:40], png(np.zeros((9, 9), np.uint8)), png(noise(3, side=40))]).map(
            lambda data: {"image": data}
        ),
    ),
    "text": st.one_of(
        st.text(max_size=30),
        st.sampled_from(["", " \n", "a\ufffd", "<p>a</p>", "a &amp; b", "\x00\x07", "\ud7ff", "e\u0301", "\u00e9"]),
        st.just("word " * 90),
    ).map(lambda text: {"text": text}),
    "table": st.fixed_dictionaries({
        "size": st.one_of(st.none(), st.sampled_from(["1", "1.0", "-3e5", "inf", "nan", "many", "1e400", ""])),
        "colour": st.one_of(st.none(), st.sampled_from(["red", "Red ", "", "\u00e9"])),
        "seen": st.one_of(st.none(), st.sampled_from(["2024-02-29", "2023-02-29", "0001-01-01", "soon", "3/4/2024"])),
        "share/of": st.one_of(st.none(), st.floats(allow_nan=True).map(repr)),
    }),
}  # fmt: skip
LABELS = st.sampled_from(["cat", "dog", "bird", "", None, "\u00e9"])


def severity_of(name):
    return st.sampled_from([severity for severity in allowed_severities(name) if severity != "error"])


SETTINGS = st.fixed_dictionaries(
    {"rare_class": st.sampled_from(["drop", "off", {"severity": "drop", "min_rows": 2}])},
    optional={name: severity_of(name) for name in CHECKS if name != "rare_class"},
)


def drawn_rows(modality):
    """Twelve faultless rows, then some odd ones, of which some equal faultless ones."""
    own = ODD[modality] | st.integers(0, 5).map(lambda index: content(modality, "cat", index))
    odd = st.lists(st.tuples(own, LABELS, st.sampled_from([None, "train", "test", "val"])), max_size=12)
    return odd.map(
        lambda drawn: (
            rows(modality, 12)
            + [
                {"row_id": row_id(500 + index), "label": label, "split": split} | values
                for index, (values, label, split) in enumerate(drawn)
            ]
        )
    )


def ids_in(folder):
    return read_table(folder).column("row_id").to_pylist()


def run(folder, modality, listed, checks):
    """The cleaned project; None if settings or rows are refused, which must leave nothing."""
    paths = write_raw(folder, modality, listed)
    try:
        return paths, clean.run(clean.Config(checks=checks), paths)
    except (DataError, ConfigError):
        assert not paths.clean_dir.exists()
        assert not paths.quarantine_dir.exists()
        return paths, None


def assert_nothing_is_lost(listed, paths, metrics, rules_by_name):
    table, rejected = read_table(paths.clean_dir), read_table(paths.quarantine_dir).to_pylist()
    accepted, gone = table.column("row_id").to_pylist(), [row["row_id"] for row in rejected]
    assert sorted(accepted + gone) == sorted(row["row_id"] for row in listed)
    assert (metrics["rows_in"], metrics["rows_out"], metrics["quarantined"]) == (len(listed), len(accepted), len(gone))
    given = {row["row_id"]: row for row in listed}
    for row in rejected:
        assert row["reason"]
        checks = row["check"].split(", ")
        assert len(set(checks)) == len(checks)
        assert {rules_by_name[check].severity for check in checks} == {"drop"}
        assert all(row[name] == value for name, value in given[row["row_id"]].items())
    assert table.column("label").null_count == 0
    assert Spec.read(paths.clean_dir).num_rows == len(accepted)


def assert_repairs_are_recorded(paths, metrics, rules_by_name):
    findings = pq.read_table(paths.clean_dir / "findings.parquet").to_pylist()
    originals = {row["row_id"]: row["original"] for row in read_table(paths.clean_dir).to_pylist()}
    assert {finding["row_id"] for finding in findings} <= originals.keys()
    assert all(finding["severity"] == rules_by_name[finding["check"]].severity for finding in findings)
    repaired = {finding["row_id"] for finding in findings if finding["severity"] == "repair"}
    assert metrics["repaired"] == len(repaired)
    with_original = {name for name, original in originals.items() if original is not None}
    modality = Spec.read(paths.clean_dir).modality
    if modality == "image":  # an image's bytes stay, since the decoder repairs it
        assert not with_original
    elif modality == "text":
        assert with_original == repaired
    else:  # also cells that a column of numbers or dates cannot hold, whatever the severity
        assert with_original >= repaired


def assert_emptied_cells_have_their_originals(listed, paths):
    given = {row["row_id"]: row for row in listed}
    typed = [name for name, kind in TABLE_COLUMNS.items() if kind in {"numeric", "date"}]
    for row in read_table(paths.clean_dir).to_pylist():
        emptied = {name: given[row["row_id"]][name] for name in typed if row[name] is None}
        emptied = {name: cell for name, cell in emptied.items() if (cell or "").strip() not in {"", "nan"}}
        assert json.loads(row["original"] or "{}") == emptied


@pytest.mark.parametrize("modality", MODALITIES)
@settings(max_examples=20, deadline=None)
@given(data=st.data(), checks=SETTINGS)
def test_clean_loses_no_row_and_no_old_value(modality, data, checks):
    listed = data.draw(drawn_rows(modality))
    with tempfile.TemporaryDirectory() as folder:
        paths, metrics = run(Path(folder), modality, listed, checks)
        if metrics is None:
            return
        rules_by_name = resolve_rules(checks, modality)
        assert_nothing_is_lost(listed, paths, metrics, rules_by_name)
        assert_repairs_are_recorded(paths, metrics, rules_by_name)
        if modality == "table":
            assert_emptied_cells_have_their_originals(listed, paths)


def decisions(paths):
    """Accepted rows, rejected rows with their checks, notes and groups, in no order."""
    rejected = {(row["row_id"], row["check"]) for row in read_table(paths.quarantine_dir).to_pylist()}
    findings = pq.read_table(paths.clean_dir / "findings.parquet").to_pylist()
    groups = pq.read_table(paths.clean_dir / "groups.parquet").to_pylist()
    stored = {row["row_id"]: str(row) for row in read_table(paths.clean_dir).to_pylist()}
    return (
        stored, rejected, {(finding["row_id"], finding["check"], finding["severity"]) for finding in findings},
        {(pair["row_id"], pair["group"]) for pair in groups}, Spec.read(paths.clean_dir),
    )  # fmt: skip


@pytest.mark.parametrize("modality", MODALITIES)
@settings(max_examples=12, deadline=None)
@given(data=st.data(), checks=SETTINGS)
def test_order_of_rows_changes_no_decision(modality, data, checks):
    listed = data.draw(drawn_rows(modality))
    outcomes = []
    for order in (listed, data.draw(st.permutations(listed))):
        with tempfile.TemporaryDirectory() as folder:
            paths, metrics = run(Path(folder), modality, order, checks)
            outcomes.append((metrics, decisions(paths)) if metrics else None)
    assert outcomes[0] == outcomes[1]
