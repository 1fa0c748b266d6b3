import logging
from pathlib import Path

import pytest

from headrace.data.table.reading.files import find_common_dir, find_table_files, is_table_file
from headrace.errors import DataError


def put(root: Path, *names: str) -> Path:
    for name in names:
        path = root / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a,b\n1,2\n")
    return root / "set"


def list_files(folder: Path) -> list[tuple[str, str, str | None]]:
    return [(str(file.path.relative_to(folder)), file.format, file.split) for file in find_table_files(folder, "set")]


def test_shards_are_sorted_without_hidden_files_and_descriptions(tmp_path, caplog):
    folder = put(
        tmp_path, "b.csv.gz", "a.csv", ".hidden.csv", "_SUCCESS.csv", "README.csv", "about.txt", "x.names", "p.pdf",
        "_tmp/z.csv",
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        assert list_files(folder) == [("a.csv", "csv", None), ("b.csv.gz", "csv", None)]
    assert caplog.messages == ["set: skipped 1 files that are not tables (1 .pdf)"]


def test_text_files_are_a_table_if_there_is_no_other(tmp_path):
    assert list_files(put(tmp_path, "x.txt")) == [("x.txt", "lines", None)]


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["dev.tsv", "test.tsv", "train.tsv"], ["train", "val", "test"]),
        (["adult.test", "adult.data"], ["train", "test"]),
        (["train-00000-of-00002.csv", "train-00001-of-00002.csv", "validation-0.csv"], ["train", "train", "val"]),
        (["train/x.csv.bz2", "Testing/x.csv.bz2"], ["train", "test"]),
        (["sentiment_train.csv", "sentiment_test.csv"], ["train", "test"]),
        (["train.csv"], [None]),  # no official split without test data
        (["test.csv", "results.csv"], [None, None]),
        (["contest.csv", "trainee.csv"], [None, None]),
    ],
)
def test_official_splits_come_from_names(tmp_path, names, splits):
    assert [split for _, _, split in list_files(put(tmp_path, *names))] == splits


def test_single_file_may_have_any_name(tmp_path):
    folder = put(tmp_path, "train.csv", "odd.xyz")
    assert [(f.format, f.split) for f in find_table_files(folder / "train.csv", "s")] == [("csv", None)]
    assert [f.format for f in find_table_files(folder / "odd.xyz", "s")] == ["lines"]


def test_glob_matches_unless_a_file_has_that_name(tmp_path):
    folder = put(tmp_path, "a1.csv", "a2.csv", "b.csv", "sub/a3.csv")
    assert [f.path.name for f in find_table_files(folder / "a*.csv", "s")] == ["a1.csv", "a2.csv"]
    assert len(find_table_files(folder / "**" / "a?.csv", "s")) == 3
    put(tmp_path, "a*.csv")
    assert [f.path.name for f in find_table_files(folder / "a*.csv", "s")] == ["a*.csv"]


def test_empty_shards_are_skipped(tmp_path):
    folder = put(tmp_path, "a.csv", "b.csv")
    (folder / "a.csv").write_bytes(b"")
    assert [name for name, _, _ in list_files(folder)] == ["b.csv"]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["a.csv", "b.jsonl"], r"contains tables in several formats, \['csv', 'jsonl'\]; give a glob"),
        (
            ["train.csv", "test.csv", "more.csv"],
            r"some files belong to an official split, but \['more.csv'\] do not; either",
        ),
        (["a.pdf"], "contains no table; tables end in"),
        (["~$a.xlsx", "Thumbs.db"], "contains no table; tables end in"),
    ],
)
def test_folder_that_is_not_one_table_raises(tmp_path, names, line):
    with pytest.raises(DataError, match="^params.yaml: ingest.source: 'set': " + line):
        find_table_files(put(tmp_path, *names), "set")


def test_is_table_file_depends_on_extension():
    assert all(is_table_file(Path(name)) for name in ("a.csv", "A.TSV", "x.data", "x.jsonl.zst", "x.parquet", "x.test"))
    assert all(is_table_file(Path(name)) for name in ("a.XLSX", "x.db", "x.arff.gz", "x.feather", "x.orc", "x.npz"))
    assert not any(is_table_file(Path(name)) for name in ("a.png", "a.gz", "README", "x.tar.gz", "Thumbs.db"))


def test_find_common_dir(tmp_path):
    assert find_common_dir([tmp_path / "a" / "x.csv", tmp_path / "b" / "x.csv"]) == tmp_path
    assert find_common_dir([tmp_path / "a" / "x.csv"]) == tmp_path / "a"


def test_only_the_pattern_is_a_pattern(tmp_path):
    """Not the folder of a project, which may be called `runs [old]`."""
    folder = tmp_path / "runs [old] *" / "data"
    folder.mkdir(parents=True)
    for name in ("a1.csv", "a2.csv", "b1.csv"):
        (folder / name).write_text("x,y\n1,2\n")
    names = [file.path.name for file in find_table_files(folder.parent / "data" / "a[12].csv", "data/a[12].csv")]
    assert names == ["a1.csv", "a2.csv"]
    assert len(find_table_files(folder.parent / "d*" / "*.csv", "d*/*.csv")) == 3
    assert len(find_table_files(folder / ".." / "data" / "b?.csv", "")) == 1
