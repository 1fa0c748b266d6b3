import io
from pathlib import Path

import pyarrow as pa
from PIL import Image

from headrace.contracts import Column
from headrace.modalities.image.schema import RAW_SCHEMA
from headrace.modalities.options import ReadOptions
from headrace.modalities.tabular import read_tabular

SENTENCES = [f"this is sentence number {number} of a list" for number in range(20)]


def opened(path: Path, **options: object) -> tuple[object, pa.Table]:
    found = read_tabular(path, ReadOptions(source=path.name, **options))
    return found.spec, pa.Table.from_batches(found.batches, found.schema)


def test_a_table_stays_a_table(tmp_path):
    (tmp_path / "x.csv").write_text("a,label\n1,p\n2,q\n3,p\n")
    spec, table = opened(tmp_path / "x.csv")
    assert (spec.modality, spec.columns) == ("table", [Column(name="a", kind="numeric")])
    assert table.schema.names == ["row_id", "label", "split", "a"]


def test_a_table_of_texts_becomes_texts(tmp_path):
    (tmp_path / "x.tsv").write_text(
        "text\twho\tlabel\n" + "".join(f"{s}\tme\tp\n{s}\tyou\tq\n" for s in SENTENCES) + "?\tme\tp\n"
    )
    spec, table = opened(tmp_path / "x.tsv", columns={"who": "ignore", "text": "text"})
    assert (spec.modality, spec.columns, spec.target) == ("text", [], "label")
    assert table.schema.names == ["row_id", "text", "label", "path", "split", "who"]
    assert table.slice(0, 2).drop_columns("row_id").to_pylist() == [
        {"text": SENTENCES[0], "label": "p", "path": None, "split": None, "who": "me"},
        {"text": SENTENCES[0], "label": "q", "path": None, "split": None, "who": "you"},
    ]
    assert table["text"].to_pylist()[-1] == ""


def picture(path: Path, grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4), grey).save(buffer, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return buffer.getvalue()


def test_a_table_that_names_images_becomes_images(tmp_path):
    data = [picture(tmp_path / "pictures" / f"{grey}.png", grey) for grey in range(4)]
    rows = "".join(f"pictures/{grey}.png,{grey * 10},{'ab'[grey % 2]}\n" for grey in range(4))
    (tmp_path / "x.csv").write_text("image,age,label\n" + rows)
    spec, table = opened(tmp_path / "x.csv")
    assert (spec.modality, spec.columns) == ("image", [Column(name="age", kind="numeric")])
    assert table.schema.names == [*RAW_SCHEMA.names, "age"]
    assert table["image"].to_pylist() == data
    assert table["path"].to_pylist()[0] == "pictures/0.png"
    assert table["age"].to_pylist() == ["0", "10", "20", "30"]


def test_images_are_found_from_a_folder_of_shards(tmp_path):
    for split in ("train", "test"):
        rows = "".join(f"{split}/{grey}.png,{'ab'[grey % 2]}\n" for grey in range(4))
        for grey in range(4):
            picture(tmp_path / split / f"{grey}.png", grey)
        (tmp_path / f"{split}.csv").write_text("file,label\n" + rows)
    spec, table = opened(tmp_path)
    assert spec.modality == "image"
    assert table["split"].to_pylist() == ["train"] * 4 + ["test"] * 4
    assert all(table["image"].to_pylist())
