import bz2
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import dump_svmlight_file

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.svmlight import MAX_FEATURES, is_svmlight, open_svmlight
from headrace.data.table.reading.reader import read_table_files
from headrace.errors import DataError

TEXT = "+1 1:0.5 3:1 # comment\n\n# a line of its own\n-1 2:1e-3 3:7\n+1 1:2 2:3\n"


def write(path: Path, text: str = TEXT) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.svm", "a.libsvm", "a9a", "a.svm.bz2"])
def test_rows_are_read_with_their_lines(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(bz2.compress(TEXT.encode()) if name.endswith("bz2") else TEXT.encode())
    opened = read_table_files(path, ReadOptions(source=name))
    assert (opened.spec.target, opened.spec.task) == ("label", "classification")
    rows = pa.Table.from_batches(list(opened.batches), opened.schema).to_pylist()
    assert [(row["label"], row["feature_1"], row["feature_2"], row["feature_3"]) for row in rows] == [
        ("1", "0.5", "0", "1"), ("-1", "0", "0.001", "7"), ("1", "2", "3", "0"),
    ]  # fmt: skip
    assert [row["source"] for row in rows] == [f"{name}:{line}" for line in (1, 4, 5)]


@pytest.mark.parametrize("first", [0, 1])
def test_values_are_those_that_sklearn_wrote(tmp_path: Path, first: int) -> None:
    features = np.random.default_rng(0).normal(size=(1500, 5)).round(3) * (np.arange(5) != 2)
    dump_svmlight_file(features, np.arange(1500) % 3, str(tmp_path / "a.svm"), zero_based=first == 0)
    opened = open_svmlight(tmp_path / "a.svm", ReadOptions(), None)
    assert opened.names == ["label", *(f"feature_{first + index}" for index in range(5))]
    cells = pa.Table.from_batches([rows.cells for rows in opened.batches])
    assert np.array_equal(np.array([cells[name].to_numpy().astype(float) for name in opened.names[1:]]).T, features)


def test_shards_may_lack_the_last_features(tmp_path: Path) -> None:
    write(tmp_path / "test.txt", "1 1:5 2:1\n")
    write(tmp_path / "train.txt")
    opened = read_table_files(tmp_path, ReadOptions(source="x"))
    rows = pa.Table.from_batches(list(opened.batches), opened.schema).to_pylist()
    assert [(row["split"], row["feature_3"]) for row in rows] == [
        ("train", "1"),
        ("train", "7"),
        ("train", "0"),
        ("test", "0"),
    ]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (TEXT, True), ("1 qid:3 1:2 2:5\n", True), ("1,2 1:0.5 7:1\n", True), ("3\n1 1:2 2:2\n", True),
        ("1 12:30 13:45\n2 14:10 15:20\n", False), ("1 2 3\n", False), ("a 1:2 2:3\n", False), ("1 3:2 2:3\n", False),
        ("1 2:3\n", False), ("", False), ("\0", False),
    ],
)  # fmt: skip
def test_only_labels_with_pairs_are_taken_for_svmlight(tmp_path: Path, text: str, is_one: bool) -> None:
    assert is_svmlight(write(tmp_path / "a.txt", text)) == is_one


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1:2 2:3\n1 qid:3 1:2\n", r"line 2: '1 qid:3 1:2' is not a label and pairs .* qid are not supported$"),
        ("1,2 1:2 2:3\n", r"line 1: '1,2 1:2 2:3' is not a label"),
        ("1 1:2 2:3\n1 1:x\n", r"line 2: '1 1:x' is not"),
        ("1 1:2 2:3\n1 2:2 1:3\n", r"line 1 or later: not readable as svmlight \(Feature indices .*sorted and unique"),
        (f"1 1:2 {MAX_FEATURES + 1}:3\n", rf"of at most {MAX_FEATURES} columns; select the features"),
        ("1\n2\n", r"has no features"),
    ],
)
def test_other_rows_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        list(open_svmlight(write(tmp_path / "a.svm", text), ReadOptions(), None).batches)
    assert "\n" not in str(caught.value)
