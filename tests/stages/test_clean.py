import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from headrace.contracts import Metrics, Spec
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.stages import clean, ingest
from headrace.storage.parquet import read_table
from tests.drawn import MODALITIES, faulty_rows, row_id, rows, write_raw
from tests.projects import run_stages

FLAT = {"blank": "off"}
"""The images here are of one colour each."""


def project(root: Path, images: dict[str, int | bytes]) -> Paths:
    """A project with ingested images: each path with one grey level (the same level: a duplicate), or raw bytes."""
    for name, content in images.items():
        path = root / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            Image.new("L", (4, 4), content).save(path)
    ingest.run(ingest.Config(source="photos"), Paths(root))
    return Paths(root)


def distinct(label: str, num_rows: int, first: int) -> dict[str, int | bytes]:
    return {f"{label}/{index}.png": first + index for index in range(num_rows)}


def quarantine(paths: Paths) -> dict[str, tuple[str, str]]:
    return {row["path"]: (row["check"], row["reason"]) for row in read_table(paths.quarantine_dir).to_pylist()}


def paths_in(folder: Path) -> set[str]:
    return set(read_table(folder).column("path").to_pylist())


def assert_balanced(metrics: Metrics) -> None:
    assert metrics["rows_in"] == metrics["rows_out"] + metrics["quarantined"]
    by_check = [value for name, value in metrics.items() if name.startswith("quarantined_")]
    assert max(by_check) <= metrics["quarantined"] <= sum(by_check)  # a row may be rejected by several checks


def test_clean_accepts_all_faultless_rows(tmp_path: Path) -> None:
    paths = project(tmp_path, distinct("b", 3, 0) | distinct("a", 6, 100))
    metrics = clean.run(clean.Config(checks=FLAT), paths)
    assert (metrics["rows_in"], metrics["rows_out"], metrics["classes"], metrics["imbalance"]) == (9, 9, 2, 2.0)
    assert Spec.read(paths.clean_dir).classes == ["a", "b"]
    assert Spec.read(paths.clean_dir).num_rows == 9
    table = read_table(paths.clean_dir)
    assert table.drop_columns("original").equals(read_table(paths.raw_dir))
    assert set(table.column("original").to_pylist()) == {None}
    rejected = read_table(paths.quarantine_dir)  # it exists, though empty
    assert rejected.num_rows == 0
    assert rejected.column_names == [*read_table(paths.raw_dir).column_names, "check", "reason"]


def test_clean_quarantines_the_rows_of_each_check(tmp_path: Path) -> None:
    faulty = {"a/broken.png": b"x", "a/empty.png": b"", "loose.png": 250, "a/twin.png": 0, "b/odd.png": 1}
    paths = project(tmp_path, distinct("a", 5, 0) | distinct("b", 4, 100) | faulty)
    metrics = clean.run(clean.Config(checks=FLAT), paths)
    assert_balanced(metrics)
    rejected = quarantine(paths)
    row_ids = {row["path"]: row["row_id"] for row in read_table(paths.raw_dir).to_pylist()}
    first, twin = sorted(["a/0.png", "a/twin.png"], key=lambda path: row_ids[path])
    assert {path: fault[0] for path, fault in rejected.items()} == {
        "a/broken.png": "undecodable", "a/empty.png": "undecodable", "loose.png": "missing_label", twin: "duplicate",
        "a/1.png": "conflicting_labels", "b/odd.png": "conflicting_labels",
    }  # fmt: skip
    assert rejected[twin][1] == f"same content as {first}"
    assert rejected["b/odd.png"][1] == "same content under ['a', 'b']"
    assert metrics["quarantined_conflicting_labels"] == 2
    assert paths_in(paths.clean_dir) == row_ids.keys() - rejected.keys()
    row = next(r for r in read_table(paths.quarantine_dir).to_pylist() if r["path"] == "a/broken.png")
    assert row["image"] == b"x"


def test_clean_rare_class_is_an_error_that_names_it(tmp_path: Path) -> None:
    paths = project(tmp_path, distinct("a", 5, 0) | distinct("b", 2, 100) | {"b/x.png": b"x"})
    line = (
        f"{paths.raw_dir}: class 'b' has 2 usable rows of 3 (1 rejected, 1 undecodable);"
        " clean.checks.rare_class.min_rows is 3; add rows, or set clean.checks: {rare_class: drop}"
    )
    with pytest.raises(DataError, match=f"^{re.escape(line)}$"):
        clean.run(clean.Config(checks=FLAT), paths)
    assert not paths.clean_dir.exists()
    assert not paths.quarantine_dir.exists()


def test_clean_rare_class_is_dropped_if_configured(tmp_path: Path) -> None:
    paths = project(tmp_path, distinct("a", 5, 0) | distinct("b", 2, 100) | distinct("c", 3, 200))
    metrics = clean.run(clean.Config(checks={"rare_class": "drop"} | FLAT), paths)
    assert_balanced(metrics)
    assert metrics["quarantined_rare_class"] == 2
    assert quarantine(paths)["b/0.png"] == ("rare_class", "'b' has 2 usable rows; 3 are needed")
    assert Spec.read(paths.clean_dir).classes == ["a", "c"]


def test_clean_class_without_a_usable_row_is_an_error(tmp_path: Path) -> None:
    paths = project(tmp_path, distinct("a", 5, 0) | {"b/x.png": b"x"})
    with pytest.raises(DataError, match=r"class 'b' has 0 usable rows of 1 \(1 rejected, 1 undecodable\)"):
        clean.run(clean.Config(checks=FLAT), paths)


def test_clean_with_one_remaining_class_is_an_error(tmp_path: Path) -> None:
    paths = project(tmp_path, distinct("a", 5, 0) | distinct("b", 2, 100))
    with pytest.raises(DataError, match=r"usable rows of 1 classes \(2 rejected, 2 rare_class\); at least two are"):
        clean.run(clean.Config(checks={"rare_class": "drop"} | FLAT), paths)


def test_clean_before_ingest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data/raw/spec\.json: no such file; run the stages before this one"):
        clean.run(clean.Config(checks=FLAT), Paths(tmp_path))


@pytest.mark.parametrize("modality", MODALITIES)
def test_clean_defaults_find_every_planted_fault(tmp_path: Path, modality: str) -> None:
    listed = rows(modality, 40) + faulty_rows(modality)
    paths = write_raw(tmp_path, modality, listed)
    metrics = clean.run(clean.Config(), paths)
    assert_balanced(metrics)
    index_of = {row["row_id"]: index for index, row in enumerate(listed)}
    rejected = {index_of[row["row_id"]]: row["check"] for row in read_table(paths.quarantine_dir).to_pylist()}
    twin = max(0, 42, key=lambda index: listed[index]["row_id"])
    conflicting = {1: "conflicting_labels", 41: "conflicting_labels"}
    assert (
        rejected
        == {40: "missing_label"}
        | {
            "image": {twin: "duplicate", 43: "undecodable", 44: "undecodable", 45: "blank"} | conflicting,
            "text": {twin: "duplicate", 43: "undecodable", 44: "empty"} | conflicting,
            "table": {44: "empty"},  # without an id, equal rows may be different things
        }[modality]
    )
    repaired = {row["row_id"] for row in read_table(paths.clean_dir).to_pylist() if row["original"] is not None}
    wanted = {"image": set(), "text": {row_id(1005)}, "table": {row_id(1003), row_id(1005)}}[modality]
    assert repaired == wanted
    assert metrics["repaired"] == len(wanted)


def test_clean_error_of_a_row_names_it_and_writes_nothing(tmp_path: Path) -> None:
    paths = write_raw(tmp_path, "text", rows("text", 12) + faulty_rows("text"))
    with pytest.raises(DataError, match=r"^rows\.csv:1006: nothing but white space \(clean\.checks\.empty: error\)"):
        clean.run(clean.Config(checks={"empty": "error"}), paths)
    assert not paths.clean_dir.exists()
    assert not paths.clean_report_path.exists()
    assert not (paths.state_dir / "scratch" / "clean").exists()


def test_clean_column_that_is_an_error_is_named(tmp_path: Path) -> None:
    listed = [row | {"colour": "red"} for row in rows("table", 12)]
    paths = write_raw(tmp_path, "table", listed)
    with pytest.raises(DataError, match=r"^data/raw: column 'colour': .* \(constant_column\); fix it, leave it out"):
        clean.run(clean.Config(checks={"constant_column": "error"}), paths)
    clean.run(clean.Config(), paths)
    assert [column.name for column in Spec.read(paths.clean_dir).columns] == ["size", "seen", "share/of"]
    assert "colour" in read_table(paths.clean_dir).column_names


def test_clean_removes_the_scratch_files_of_a_killed_run(tmp_path: Path) -> None:
    paths = write_raw(tmp_path, "text", rows("text", 8))
    left = paths.state_dir / "scratch" / "clean" / "0"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"old")
    clean.run(clean.Config(), paths)
    assert not left.parent.exists()


def test_clean_numbers_are_not_classes(tmp_path: Path) -> None:
    listed = [row | {"label": f"{index}.5"} for index, row in enumerate(rows("table", 12))]
    listed += [row | {"label": "many"} for row in rows("table", 1, first=50)]
    paths = write_raw(tmp_path, "table", listed, task="regression")
    metrics = clean.run(clean.Config(), paths)
    assert (metrics["rows_out"], metrics["classes"], metrics["imbalance"]) == (12, 0, 0)
    assert metrics["quarantined_unknown_label"] == 1
    assert Spec.read(paths.clean_dir).classes == []


def test_clean_dropped_column_is_converted_and_repaired_too(tmp_path: Path) -> None:
    listed = rows("table", 12)
    listed[3]["seen"], listed[5]["size"] = "2023-02-29", None
    paths = write_raw(tmp_path, "table", listed)
    clean.run(clean.Config(checks={"missing_cell": "drop"}), paths)
    assert [column.name for column in Spec.read(paths.clean_dir).columns] == ["colour", "share/of"]
    table = read_table(paths.clean_dir)
    assert [str(table.schema.field(name).type) for name in ("size", "seen")] == ["double", "timestamp[us]"]
    row = table.to_pylist()[3]
    assert (row["seen"], row["original"]) == (None, '{"seen": "2023-02-29"}')


def clean_csv(folder: Path, lines: list[str], **settings: object) -> Paths:
    (folder / "x.csv").write_text("\n".join(lines) + "\n")
    paths = Paths(folder)
    run_stages(paths, {"ingest": {"source": "x.csv", "target": "kind"}, "clean": settings}, ("ingest", "clean"))
    return paths


def test_clean_keeps_a_table_of_few_kinds_of_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        f"{('1st', '2nd', 'crew')[index % 3]},{('old', 'young')[index % 2]},{'ab'[index % 4 == 0]}"
        for index in range(600)
    ]
    paths = clean_csv(tmp_path, ["class,age,kind", *rows])
    assert read_table(paths.clean_dir).num_rows == 600
    assert read_table(paths.quarantine_dir).num_rows == 0
    assert "594 of 600 rows repeat another and stay, since no column is an id" in caplog.text
    caplog.clear()
    clean.run(clean.Config(checks={"duplicate": "warn"}), paths)
    assert "repeat another" not in caplog.text  # as the settings say
    groups = pq.read_table(paths.clean_dir / "groups.parquet")
    assert groups.num_rows == 0  # or two of the six kinds would be all of the validation rows


def test_clean_drops_equal_rows_of_one_id(tmp_path: Path) -> None:
    rows = [f"p{index},{index % 7},{'ab'[index % 2]}" for index in range(100)]
    paths = clean_csv(tmp_path, ["person,size,kind", *rows, *rows[:5]])
    assert read_table(paths.clean_dir).num_rows == 100
    assert set(read_table(paths.quarantine_dir)["check"].to_pylist()) == {"duplicate"}


def test_clean_stops_where_most_rows_are_rejected(tmp_path: Path) -> None:
    rows = [f"{index % 9},{'ab'[index % 2]}" for index in range(40)]
    with pytest.raises(
        DataError,
        match=r"data/raw: 60 of 100 rows are rejected \(60 rejected, 60 empty\), such as x\.csv:42: no cell has",
    ):
        clean_csv(tmp_path, ["size,kind", *rows, *["NA,a"] * 60], checks={"duplicate": "off"})
    paths = clean_csv(tmp_path, ["size,kind", *rows, *["NA,a"] * 60], checks={"duplicate": "off"}, max_quarantined=0.6)
    assert read_table(paths.clean_dir).num_rows == 40
