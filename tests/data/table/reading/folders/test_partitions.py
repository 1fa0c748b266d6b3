"""Partitions in the names of folders, as pyarrow.dataset writes and reads them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.folders.partitions import find_partitions
from headrace.data.table.reading.reader import read_table_files

TABLE = pa.table({
    "x": [float(number) for number in range(60)],
    "z": ["p", "q"] * 30,
    "month": [1, 2, 10] * 20,
    "kind": ["a b", "ü/x=y", None] * 20,
})  # fmt: skip


def write(folder: Path, *keys: str, form: str = "parquet") -> Path:
    partitioning = ds.partitioning(pa.schema([TABLE.schema.field(key) for key in keys]), flavor="hive")
    ds.write_dataset(TABLE, folder, format=form, partitioning=partitioning)
    return folder


def read(path: Path, **options: object) -> list[dict[str, str | None]]:
    opened = read_table_files(path, ReadOptions(source=str(path), **options))
    return pa.Table.from_batches(list(opened.batches), opened.schema).to_pylist()


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("keys", [("kind",), ("month",), ("month", "kind")])
def test_columns_in_names_of_folders_are_put_back(tmp_path: Path, keys: tuple[str, ...], form: str) -> None:
    rows = read(write(tmp_path / "t", *keys, form=form), target="kind")
    assert sorted((float(row["x"] or 0), row["month"], row["label"]) for row in rows) == [
        (row["x"], str(row["month"]), row["kind"]) for row in TABLE.to_pylist()
    ]


def test_they_are_reported_and_inputs(tmp_path: Path) -> None:
    opened = read_table_files(write(tmp_path / "t", "month"), ReadOptions(source="t", target="kind"))
    assert [column.name for column in opened.spec.columns] == ["x", "z", "month"]
    remark = next(remark for remark in opened.spec.assumptions if "folders" in remark.text)
    assert (remark.subject, remark.setting) == ("column 'month'", "ingest.columns: {month: ignore}")


def test_a_pattern_begins_at_the_folder_of_its_files(tmp_path: Path) -> None:
    write(tmp_path / "t", "month", "kind")
    rows = read(tmp_path / "t" / "month=2" / "*" / "*.parquet", target="kind")
    assert len(rows) == 20
    assert "month" not in rows[0]


@pytest.mark.parametrize(
    "names", [["01", "2"], ["1", "2", "x"], ["3000000000", "1"], ["-1", "__HIVE_DEFAULT_PARTITION__"]]
)
def test_values_are_those_of_pyarrow(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / f"k={name}").mkdir()
        pa.parquet.write_table(pa.table({"x": [1]}), tmp_path / f"k={name}" / "a.parquet")
    paths = sorted(tmp_path.glob("*/*.parquet"))
    theirs = ds.dataset([str(path) for path in paths], partitioning=ds.partitioning(flavor="hive")).to_table()["k"]
    ours = [row["k"] for row in find_partitions(paths, tmp_path).values()]
    assert ours == theirs.cast(pa.string()).to_pylist()


def test_a_column_that_the_files_have_too_is_read_from_them(tmp_path: Path) -> None:
    for month in (1, 2):
        folder = tmp_path / f"month={month}"
        folder.mkdir()
        rows = [f"{month},{x},{'ab'[x % 2]}" for x in range(20)]
        (folder / "a.csv").write_text("\n".join(["month,x,y", *rows]))
    assert {row["month"] for row in read(tmp_path, target="y")} == {"1", "2"}
