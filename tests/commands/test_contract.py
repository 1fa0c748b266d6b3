import logging
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from headrace.commands.contract import format_contract, write_contract
from headrace.commands.project_template import add_dep, read_template
from headrace.data.cleaning.contract.settings import Contract, read_contract
from headrace.errors import ConfigError, DataError
from headrace.paths import Paths
from headrace.settings.load import load_settings
from headrace.storage.parquet import read_table
from tests.projects import QUICK_CHECKS, run_stages, table_rows, write_csv, write_image_folder

SETTINGS = {
    "ingest": {"source": "rows.csv", "target": "worth", "columns": {"code": "categorical"}},
    "clean": {"checks": {"label_error": "off", "rare_class": "warn"}},
}


def write_rows(paths: Paths, num_rows: int = 120, seed: int = 0, **changes: str) -> None:
    """A table of which the first row has other cells."""
    rows, values = table_rows(num_rows, seed)
    cells = [
        row | {"code": f"X-{index:03d}", "worth": "high" if value > 50 else "low"}
        for index, (row, value) in enumerate(zip(rows, values, strict=True))
    ]
    cells[0] |= changes
    write_csv(paths.root / "rows.csv", cells)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A cleaned table with the contract that was proposed of it."""
    paths = Paths(tmp_path)
    (tmp_path / "dvc.yaml").write_text(read_template("dvc.yaml"))
    write_rows(paths)
    run_stages(paths, SETTINGS, ("ingest", "clean"))
    write_contract(paths, is_forced=False)
    return paths


def edit(paths: Paths, column: str, **rules: Any) -> None:
    """Replaces rules of one column."""
    contract = YAML(typ="safe").load(paths.contract_path)
    contract["columns"][column] |= rules
    paths.contract_path.write_text("\n".join(format_contract(contract)))


def clean_again(paths: Paths, **changes: str) -> None:
    write_rows(paths, **changes)
    run_stages(paths, SETTINGS, ("ingest", "clean"))


def test_proposal_holds_for_its_own_rows_and_changes_nothing(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    before = read_table(paths.clean_dir)
    caplog.clear()
    run_stages(paths, SETTINGS, ("clean",))
    assert read_table(paths.clean_dir).equals(before)
    assert not [record for record in caplog.records if "contract" in record.getMessage()]
    assert paths.held_contract_path.read_bytes() == paths.contract_path.read_bytes()
    assert list(YAML(typ="safe").load(paths.root / "dvc.yaml")["stages"]["clean"]["deps"]) == [
        "data/raw",
        "contract.yaml",
    ]


def test_proposal_replaces_none_that_a_person_edited(paths: Paths) -> None:
    text = paths.contract_path.read_text()
    paths.contract_path.write_text(text + "# mine\n")
    with pytest.raises(DataError, match="contract.yaml: exists; edit it, or replace it"):
        write_contract(paths, is_forced=False)
    assert paths.contract_path.read_text().endswith("# mine\n")
    write_contract(paths, is_forced=True)
    assert paths.contract_path.read_text() == text


def test_dropped_rows_are_in_quarantine_with_the_rule(paths: Paths) -> None:
    edit(paths, "size", range={"min": -9, "max": 9, "action": "drop"})
    clean_again(paths, size="70")
    (row,) = read_table(paths.quarantine_dir).to_pylist()
    assert (row["check"], row["size"]) == ("contract_drop", "70")
    assert row["reason"] == "size: '70' is outside -9 to 9 (contract.yaml: columns.size.range)"


def test_repaired_cells_have_their_original_beside_them(paths: Paths) -> None:
    edit(paths, "size", range={"min": -9, "max": 9, "action": "repair"})
    edit(paths, "colour", values={"allowed": ["red", "green", "blue"], "action": "repair"})
    clean_again(paths, size="70", colour="rde")
    (row,) = [row for row in read_table(paths.clean_dir).to_pylist() if row["code"] == "X-000"]
    assert (row["size"], row["colour"], row["original"]) == (9.0, None, '{"size": "70", "colour": "rde"}')


def test_repeated_ids_are_dropped_after_the_first(paths: Paths) -> None:
    edit(paths, "code", unique={"action": "drop"})
    clean_again(paths, code="X-007")
    (row,) = read_table(paths.quarantine_dir).to_pylist()
    assert row["reason"] == "code: 'X-007' occurs again (contract.yaml: columns.code.unique)"
    assert row["source"] == "rows.csv:9", "the row of line 2 came first"


def test_warnings_are_counted_and_listed(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        clean_again(paths, size="70", worth="middling", code="oops")
    findings = read_table_of_findings(paths)
    assert {finding["check"] for finding in findings} >= {"contract_warn"}
    reasons = [finding["reason"] for finding in findings if finding["check"] == "contract_warn"]
    assert [re.sub(r".*contract.yaml: (.*)\)", r"\1", reason) for reason in reasons] == [
        "columns.size.range", "columns.code.pattern", "target.values",
    ]  # fmt: skip
    assert "clean: 1 accepted rows break rules of contract.yaml" in caplog.text
    assert "class 'middling' has" in caplog.text


def read_table_of_findings(paths: Paths) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(paths.clean_dir / "findings.parquet").to_pylist()
    return rows


def test_stop_leaves_the_clean_rows_as_they_were(paths: Paths) -> None:
    edit(paths, "size", range={"min": -9, "max": 9, "action": "stop"})
    before = read_table(paths.clean_dir)
    with pytest.raises(DataError, match=r"rows.csv:2: size: '70' .* \(stop\); correct .* another action in contract"):
        clean_again(paths, size="70")
    edit(paths, "size", range={"min": -99, "max": 99, "action": "stop"}, missing={"max_share": 0.0, "action": "stop"})
    with pytest.raises(DataError, match=r"data/clean: column 'size': 0.8% of the cells are missing"):
        clean_again(paths, size="")
    assert read_table(paths.clean_dir).equals(before)


def test_column_that_changed_its_kind_or_is_gone_stops(paths: Paths) -> None:
    edit(paths, "noise", kind={"expected": "date", "action": "stop"})
    with pytest.raises(DataError, match=r"column 'noise' is numeric, not date"):
        run_stages(paths, SETTINGS, ("clean",))
    edit(paths, "noise", kind={"expected": "numeric"})
    gone = {**SETTINGS, "ingest": {**SETTINGS["ingest"], "columns": {"noise": "ignore"}}}
    with pytest.raises(DataError, match=r"column 'noise' is no input any more"):
        run_stages(paths, gone, ("ingest", "clean"))


def test_drift_of_new_rows_is_reported(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    rows, values = table_rows(120, 1)
    write_csv(paths.root / "rows.csv", [
        row | {"size": f"{float(row['size']) + 3:.4f}", "code": f"X-{i:03d}", "worth": "high" if v > 50 else "low"}
        for i, (row, v) in enumerate(zip(rows, values, strict=True))
    ])  # fmt: skip
    with caplog.at_level(logging.WARNING):
        run_stages(paths, SETTINGS, ("ingest", "clean"))
    assert "clean: column 'size' drifted: above " in caplog.text
    assert "column 'noise' drifted" not in caplog.text
    assert "column &#39;size&#39; drifted" in paths.clean_report_path.read_text()


def test_mistakes_are_found_before_ingest_and_dvc_must_see_edits(
    paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    (paths.root / "dvc.yaml").write_text(read_template("dvc.yaml"))
    with caplog.at_level(logging.WARNING):
        run_stages(paths, SETTINGS, ("clean",))
    assert "dvc.yaml: stages.clean.deps does not list 'contract.yaml'" in caplog.text
    paths.contract_path.write_text("columns: {size: {rang: 1}}")
    (paths.root / "params.yaml").write_text("\n".join(f"{name}:" for name in ("ingest", "clean", "split", "normalize")))
    (paths.root / "dvc.yaml").unlink()
    with pytest.raises(ConfigError, match=r"^contract.yaml: columns.size.rang: unknown key"):
        load_settings(paths, "ingest")


def test_images_have_rules_of_their_sizes_and_classes(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    write_image_folder(tmp_path / "photos", 12)
    settings = {"ingest": {"source": "photos"}, "clean": {"checks": QUICK_CHECKS | {"rare_class": "drop"}}}
    run_stages(paths, settings, ("ingest", "clean"))
    write_contract(paths, is_forced=False)
    contract = read_contract(paths.contract_path)
    assert contract.target.values is not None
    assert contract.target.values.allowed == ["cross", "disc", "square"]
    paths.contract_path.write_text(
        "columns: {width: {range: {min: 17, action: warn}}}\ntarget: {values: {allowed: [cross, disc], action: drop}}\n"
    )
    run_stages(paths, settings, ("clean",))
    assert read_table(paths.quarantine_dir).num_rows == 12
    assert sum(row["check"] == "contract_warn" for row in read_table_of_findings(paths)) == 24


def test_dep_is_added_once_and_everything_else_stays() -> None:
    template = read_template("dvc.yaml")
    text = add_dep(template, "clean", "contract.yaml")
    assert set(text.splitlines()) - set(template.splitlines()) == {"    - contract.yaml"}
    assert add_dep(text, "clean", "contract.yaml") == text
    assert add_dep(template, "unknown", "contract.yaml") == template


def test_names_that_yaml_would_read_otherwise_are_quoted() -> None:
    contract = {
        "columns": {"yes": {"values": {"allowed": ["no", "1", "a, b", "ü"], "action": "warn"}}, "a: b": {"unique": {}}}
    }
    text = "\n".join(format_contract(contract))
    assert YAML(typ="safe", pure=True).load(text) == contract
    Contract.model_validate(YAML(typ="safe", pure=True).load(text))
