from pathlib import Path

import pyarrow as pa
import pytest

from headrace.data.readers import READERS, choose_reader
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.folders.text_lines import find_class_files


def write_reviews(path: Path, word: str) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = [f"  the film {number} is {word}, and tells a {word} story ; {number % 7}" for number in range(60)]
    path.write_text("\n".join([*lines, "", "caf\xe9 and dinner were \xe0 la carte, d\xe9j\xe0 vu"]), "latin-1")


@pytest.mark.parametrize(
    ("positive", "negative"),
    [("rt-polarity.pos", "rt-polarity.neg"), ("pos.txt", "neg.txt"), ("a/pos.txt", "a/neg.txt")],
)
def test_each_line_is_a_text_of_the_class_of_its_file(tmp_path: Path, positive: str, negative: str) -> None:
    write_reviews(tmp_path / positive, "good")
    write_reviews(tmp_path / negative, "bad")
    (tmp_path / "README.txt").write_text("the reviews are by nobody")
    options = ReadOptions(source="reviews")
    opened = READERS[choose_reader("auto", "reviews", tmp_path)](tmp_path, options)
    rows = pa.Table.from_batches(list(opened.batches), opened.schema).to_pylist()
    assert (opened.spec.modality, opened.spec.target, len(rows)) == ("text", "label", 122)
    assert {row["label"] for row in rows} == {"pos", "neg"}
    row = next(row for row in rows if row["label"] == "pos")
    assert row["text"] == "the film 0 is good, and tells a good story ; 0"
    assert row["source"] == f"{Path(positive).name}:1"
    assert any(row["source"].endswith(":62") and row["text"].startswith("caf\xe9") for row in rows)
    assert "each line is a text, of the class that the name of its file says" in str(opened.spec.assumptions)


@pytest.mark.parametrize(
    "names",
    [
        ["train.txt", "test.txt"], ["a.txt", "b.txt"], ["pos.txt"], ["data.csv", "data.json"], ["x.pos", "y.neg"],
        ["pos.txt", "neg.csv"], ["x.train", "x.test"], ["a.txt", "a"], [],
    ],
)  # fmt: skip
def test_other_files_are_not_classes(names: list[str]) -> None:
    assert not find_class_files(map(Path, names), [".csv", ".txt", ".json"])


def test_compressed_files_are_classes_too() -> None:
    paths = [Path("x.pos.gz"), Path("x.neg.gz"), Path("LICENSE")]
    assert find_class_files(paths, [".csv"]) == {paths[0]: "pos", paths[1]: "neg"}
