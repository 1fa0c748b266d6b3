import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from headrace.contracts import Column
from headrace.data.datasets import BUILT_INS, FORMATS
from headrace.data.image.reading.rows import RAW_SCHEMA
from headrace.data.readers import PACKAGED_READERS, READERS, choose_reader, read_tabular
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import DataError
from tests.drawn import noise, png


def put(folder: Path, *names: str) -> Path:
    """Writes files with the content that their extensions suggest."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(noise(0)) if path.suffix == ".png" else b"a,b\n1,2\n")
    return folder


def test_every_reader_has_a_docstring() -> None:
    assert all(reader.__doc__ for reader in READERS.values())
    assert all(built_in.reader in READERS for built_in in BUILT_INS.values() if built_in.files)


@pytest.mark.parametrize(
    ("names", "reader"),
    [
        (["cat/1.png", "dog/2.png"], "folder"),
        (["train/cat/1.png", "test/dog/2.png"], "folder"),
        (["cat/1.png", "dog/2.png", "labels.csv"], "folder"),
        (["images/1.png", "images/2.png", "labels.csv"], "table"),
        (["1.png", "labels.csv"], "table"),
        (["spam/1.txt", "ham/2.txt"], "text_folder"),
        (["train/spam/1.txt", "train/ham/2.txt"], "text_folder"),
        (["part-1.csv", "part-2.csv"], "table"),
        (["2024/part-1.parquet", "2025/part-2.parquet"], "table"),
        (["cat/1.png", ".cache/1.csv", ".cache/2.csv"], "folder"),
        (["train-images-idx3-ubyte", "train-labels-idx1-ubyte"], "idx"),
        (["data_batch_1", "test_batch", "batches.meta"], "cifar"),
        (["0001.png", "0001.cls", "0002.png", "0002.cls"], "webdataset"),
        (["train-0.tar", "train-1.tar"], "webdataset"),
        (["state.json", "dataset_info.json", "data-00000-of-00001.arrow"], "table"),
        (["cat/1.png", "dog/2.png", "Thumbs.db"], "folder"),
        (["images/1.png", "images/2.png", "Thumbs.db"], "folder"),
    ],
)
def test_choose_reader_by_the_content_of_a_folder(tmp_path: Path, names: list[str], reader: str) -> None:
    assert choose_reader("auto", "data", put(tmp_path, *names)) == reader


def test_choose_reader_by_the_arrays_of_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", x=np.zeros((2, 4, 4), np.uint8), y=[0, 1])
    np.savez(tmp_path / "table.npz", x=np.zeros((2, 4)), y=[0, 1])
    assert choose_reader("auto", "images.npz", tmp_path / "images.npz") == "npz"
    assert choose_reader("auto", "table.npz", tmp_path / "table.npz") == "table"


def test_choose_reader_of_a_glob(tmp_path: Path) -> None:
    assert choose_reader("auto", "a-*.tar", tmp_path / "a-*.tar") == "webdataset"
    assert choose_reader("auto", "a-*.csv", tmp_path / "a-*.csv") == "table"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz", "a.xlsx", "a.db", "a.arff"])
def test_choose_reader_of_a_table_file(tmp_path: Path, name: str) -> None:
    assert choose_reader("auto", name, put(tmp_path, name) / name) == "table"


def test_choose_reader_returns_the_requested_format(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.png")
    assert choose_reader("text_folder", "data", tmp_path) == "text_folder"
    assert choose_reader("auto", "data/*.csv", tmp_path / "*.csv") == "table"
    assert choose_reader("idx", "data/*.csv", tmp_path / "*.csv") == "idx"


def test_formats_are_those_that_have_a_reader() -> None:
    assert tuple(READERS) == FORMATS
    assert set(PACKAGED_READERS) == {name for name, built_in in BUILT_INS.items() if not built_in.files}


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("mnist5", "not a built-in dataset, and no file or folder {root}/mnist5; choose one of ["),
        ("data/photos", "no file or folder {root}/data/photos; give a path, a URL, or one of ["),
        ("notes.docx", "notes.docx is of an unknown kind; tables end in ['"),
        ("empty", "is empty; put images or texts in one folder per class, or give a table; or set ingest.format"),
        ("odd", "contains 3 files of other kinds (2 .docx, 1 without extension); put images or texts in one folder p"),
    ],
)
def test_choose_reader_of_an_unreadable_source_raises_one_line(tmp_path: Path, source: str, line: str) -> None:
    put(tmp_path, "notes.docx", "odd/a.docx", "odd/b/b.docx", "odd/README")
    (tmp_path / "empty").mkdir()
    expected = f"params.yaml: ingest.source: {source!r}: {line.format(root=tmp_path)}"
    with pytest.raises(DataError, match="^" + re.escape(expected)):
        choose_reader("auto", source, tmp_path / source)


@pytest.mark.parametrize("wanted", ["folder", "table"])
def test_choose_reader_of_a_missing_path_raises_one_line(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(DataError, match="no file or folder"):
        choose_reader(wanted, "here/not", tmp_path / "here/not")


SENTENCES = [f"this is sentence number {number} of a list" for number in range(20)]


def opened(path: Path, **options: object) -> tuple[object, pa.Table]:
    source = read_tabular(path, ReadOptions(source=path.name, **options))
    return source.spec, pa.Table.from_batches(source.batches, source.schema)


def test_read_tabular_of_a_table(tmp_path):
    (tmp_path / "x.csv").write_text("a,label\n1,p\n2,q\n3,p\n")
    spec, table = opened(tmp_path / "x.csv")
    assert (spec.modality, spec.columns) == ("table", [Column(name="a", kind="numeric")])
    assert table.schema.names == ["row_id", "label", "split", "source", "a"]


def test_read_tabular_of_texts(tmp_path):
    (tmp_path / "x.tsv").write_text(
        "text\twho\tlabel\n" + "".join(f"{s}\tme\tp\n{s}\tyou\tq\n" for s in SENTENCES) + "?\tme\tp\n"
    )
    spec, table = opened(tmp_path / "x.tsv", columns={"who": "ignore", "text": "text"})
    assert (spec.modality, spec.columns, spec.target) == ("text", [], "label")
    assert table.schema.names == ["row_id", "text", "label", "path", "split", "source", "who"]
    assert table.slice(0, 2).drop_columns("row_id").to_pylist() == [
        {"text": SENTENCES[0], "label": "p", "path": None, "split": None, "source": "x.tsv:2", "who": "me"},
        {"text": SENTENCES[0], "label": "q", "path": None, "split": None, "source": "x.tsv:3", "who": "you"},
    ]
    assert table["text"].to_pylist()[-1] == ""


def write_image(path: Path, grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4), grey).save(buffer, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return buffer.getvalue()


def test_read_tabular_of_image_paths(tmp_path):
    data = [write_image(tmp_path / "pictures" / f"{grey}.png", grey) for grey in range(4)]
    rows = "".join(f"pictures/{grey}.png,{grey * 10},{'ab'[grey % 2]}\n" for grey in range(4))
    (tmp_path / "x.csv").write_text("image,age,label\n" + rows)
    spec, table = opened(tmp_path / "x.csv")
    assert (spec.modality, spec.columns) == ("image", [Column(name="age", kind="numeric")])
    assert table.schema.names == [*RAW_SCHEMA.names, "age"]
    assert table["image"].to_pylist() == data
    assert table["path"].to_pylist()[0] == "pictures/0.png"
    assert table["age"].to_pylist() == ["0", "10", "20", "30"]


def test_read_tabular_of_image_paths_in_shards(tmp_path):
    for split in ("train", "test"):
        rows = "".join(f"{split}/{grey}.png,{'ab'[grey % 2]}\n" for grey in range(4))
        for grey in range(4):
            write_image(tmp_path / split / f"{grey}.png", grey)
        (tmp_path / f"{split}.csv").write_text("file,label\n" + rows)
    spec, table = opened(tmp_path)
    assert spec.modality == "image"
    assert table["split"].to_pylist() == ["train"] * 4 + ["test"] * 4
    assert all(table["image"].to_pylist())
