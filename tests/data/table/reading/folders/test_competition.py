"""A competition's train.csv, test.csv without target, and sample submission."""

from pathlib import Path

import pyarrow as pa
import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.files import find_table_files
from headrace.data.table.reading.reader import read_table_files
from headrace.errors import DataError

ROWS = [f"{number},{number % 5},{'ab'[number % 2]},{number % 3}" for number in range(40)]


def write(folder: Path, **files: str) -> Path:
    texts = {"train": "\n".join(["Id,x,Shape,Size", *ROWS]), "test": "Id,x\n50,1\n51,2\n"}
    for name, text in (texts | files).items():
        (folder / f"{name}.csv").write_text(text)
    return folder


@pytest.mark.parametrize("name", ["sample_submission", "sampleSubmission", "gender_submission"])
def test_the_submission_names_the_target(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path, **{name: "Id,Shape\n50,a\n51,b\n"})
    opened = read_table_files(folder, ReadOptions(source="x"))
    assert (opened.spec.target, [column.name for column in opened.spec.columns]) == ("Shape", ["Id", "x", "Size"])
    assert pa.Table.from_batches(list(opened.batches), opened.schema).num_rows == 40
    texts = [remark.text for remark in opened.spec.assumptions]
    assert "the target is 'Shape', which the other files of the folder show" in texts
    assert "train.csv is the data; test.csv has no target: headrace predict answers such files" in texts


def test_a_setting_goes_before_the_submission(tmp_path: Path) -> None:
    folder = write(tmp_path, sample_submission="Id,Shape\n50,a\n51,b\n")
    assert read_table_files(folder, ReadOptions(source="x", target="Size")).spec.target == "Size"


def test_several_targets_are_those_of_the_submission(tmp_path: Path) -> None:
    folder = write(tmp_path, train="\n".join(["Id,x,u,v", *("1,2,0,1",) * 30]), sample_submission="Id,u,v\n50,0,0\n")
    assert find_table_files(folder, "x")[0].target == ["u", "v"]


def test_without_submission_the_column_that_test_lacks_is_the_target(tmp_path: Path) -> None:
    folder = write(tmp_path, test="Id,x,Size\n50,1,2\n")
    assert find_table_files(folder, "x")[0].target == "Shape"


@pytest.mark.parametrize("test", ["Id,x,Shape,Size\n50,1,a,2\n", "Id,x,other\n50,1,2\n"])
def test_shards_with_all_columns_are_splits(tmp_path: Path, test: str) -> None:
    files = find_table_files(write(tmp_path, test=test), "x")
    assert [(file.path.name, file.split, file.target) for file in files] == [
        ("train.csv", "train", None), ("test.csv", "test", None),
    ]  # fmt: skip


def test_a_submission_that_names_no_column_of_the_data_is_no_help(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"some files belong to an official split, but .* do not"):
        find_table_files(write(tmp_path, sample_submission="Id,cat,dog\n50,0,1\n"), "x")


@pytest.mark.parametrize(
    ("name", "submission", "target"),
    [("labels", "Id,Shape", "Shape"), ("train", "Id,Size,Shape", ["Size", "Shape"]), ("labels", "Id,cat,dog", None)],
)
def test_a_submission_beside_one_table_is_not_read(
    tmp_path: Path, name: str, submission: str, target: str | list[str] | None
) -> None:
    """The rows to be answered are images."""
    (tmp_path / f"{name}.csv").write_text("\n".join(["Id,x,Shape,Size", *ROWS]))
    (tmp_path / "sample_submission.csv").write_text(f"{submission}\n50,1,1\n")
    (file,) = find_table_files(tmp_path, "x")
    assert (file.path.name, file.split, file.target) == (f"{name}.csv", None, target)
    assert "sample_submission.csv shows the form of answers, and is not read" in file.assumptions[0].text
