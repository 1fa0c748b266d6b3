"""Delta Lake tables are read at their current version; others, and parts of them, are refused."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from headrace.contracts import OpenedSource
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.reader import read_table_files
from headrace.errors import DataError

ROWS = pa.table({"x": [float(number) for number in range(60)], "y": ["a", "b"] * 30, "key": ["ü/x", "b c", None] * 20})


def open_table(path: Path) -> OpenedSource:
    return read_table_files(path, ReadOptions(source="lake", target="y"))


def read(path: Path) -> pa.Table:
    opened = open_table(path)
    return pa.Table.from_batches(list(opened.batches), opened.schema)


@pytest.fixture
def delta(tmp_path: Path) -> Path:
    """A table with deleted rows, a column that was added later, and a name that is quoted in the log."""
    folder = tmp_path / "my lake"
    write_deltalake(folder, ROWS, partition_by=["key"])
    DeltaTable(folder).delete("x < 10")
    write_deltalake(
        folder, pa.table({"x": [77.5], "y": ["a"], "key": ["k"], "new": [3]}), mode="append", schema_mode="merge"
    )
    return folder


def test_delta_is_read_at_its_current_version(delta: Path) -> None:
    ours = sorted((row["x"], row["label"], row["key"], row["new"]) for row in read(delta).to_pylist())
    theirs = DeltaTable(delta).to_pyarrow_dataset().to_table().to_pylist()
    assert ours == sorted(
        (f"{row['x']:g}", row["y"], row["key"], None if row["new"] is None else str(row["new"])) for row in theirs
    )
    assert len(ours) == 51


def test_a_table_without_rows_is_refused(delta: Path) -> None:
    DeltaTable(delta).delete()
    with pytest.raises(DataError, match="without rows at its current version"):
        open_table(delta)


def test_the_version_is_reported_and_the_order_stable(delta: Path) -> None:
    texts = [remark.text for remark in open_table(delta).spec.assumptions]
    assert "a Delta Lake table, read at version 2 (4 files)" in texts
    assert read(delta).equals(read(delta))


@pytest.mark.parametrize("part", ["*/*.parquet", "..", "key=k", "key=k/*.parquet"])
def test_a_part_of_a_delta_table_is_refused(delta: Path, part: str) -> None:
    with pytest.raises(DataError, match=r"my lake is a Delta Lake table, whose files hold deleted rows too; give that"):
        open_table(delta / part)


def test_deletion_vectors_and_mapped_columns_are_refused(delta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = DeltaTable(delta).protocol()
    monkeypatch.setattr(DeltaTable, "protocol", lambda _: protocol._replace(reader_features=["deletionVectors"]))
    assert len(read(delta)) == 51, "the feature is on, but no row has been deleted by it"
    vectors = pa.table({"filepath": ["a"], "selection_vector": [[True]]})
    monkeypatch.setattr(DeltaTable, "deletion_vectors", lambda _: vectors.to_reader())
    with pytest.raises(DataError, match=r"a Delta Lake table, but its files hold deleted rows \(deletionVectors\)"):
        open_table(delta)


def test_without_the_client_the_extra_is_named(delta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(DataError, match=r"requires a client that is not installed; install headrace\[delta\], or"):
        open_table(delta)


@pytest.mark.parametrize("log", ["", "{bad", '{"add": {"path": "../../x.parquet"}}'])
def test_a_damaged_log_is_one_line(tmp_path: Path, log: str) -> None:
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log" / f"{0:020}.json").write_text(log)
    with pytest.raises(DataError, match=r"^params.yaml: ingest.source: 'lake': not readable as a Delta Lake") as caught:
        open_table(tmp_path)
    assert "\n" not in str(caught.value)


def test_files_outside_of_the_table_are_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", ROWS)
    (log,) = (tmp_path / "t" / "_delta_log").glob("*.json")
    (name,) = (path.name for path in (tmp_path / "t").glob("*.parquet"))
    log.write_text(log.read_text().replace(name, f"../{name}"))
    with pytest.raises(DataError, match=r"is outside its folder \(a shallow clone\); make a deep clone"):
        open_table(tmp_path / "t")


@pytest.mark.parametrize(
    ("mark", "kind"), [("metadata/v1.metadata.json", "Iceberg"), (".hoodie/hoodie.properties", "Hudi")]
)
@pytest.mark.parametrize("part", ["", "data", "data/*.parquet", "data/a.parquet"])
def test_other_lakes_are_refused_with_the_way_to_export(tmp_path: Path, mark: str, kind: str, part: str) -> None:
    for path in (tmp_path / mark, tmp_path / "data" / "a.parquet"):
        path.parent.mkdir()
        path.touch()
    pq.write_table(ROWS, path)
    with pytest.raises(DataError, match=rf"is a table of Apache {kind}, which is not supported; export its"):
        open_table(tmp_path / part)
