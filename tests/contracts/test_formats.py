"""The same rows through every format are the same rows of `data/raw`, and of the input of `headrace predict`."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyarrow import feather

from headrace.data.readers import READERS, choose_reader
from headrace.data.sources.read_options import ReadOptions
from headrace.prediction.input_rows import InputOptions, open_input
from tests.projects import png
from tests.table_files import TABLE_WRITERS, make_rows, write_csv, write_state

ROWS = make_rows()
ROWS[6]["size"], ROWS[7]["size"] = 12345678901.0, 12345678901.5  # from 1e10 on, Arrow writes powers of ten
OPTIONS = {"target": "outcome", "columns": {"note": "categorical"}}


def read_source(path: Path, **options: object) -> tuple[dict, list[dict]]:
    """Spec and rows, without what names the source."""
    reader = READERS[choose_reader("auto", path.name, path)]
    opened = reader(path, ReadOptions(source=path.name, **options))
    table = pa.Table.from_batches(opened.batches, opened.schema)
    spec = opened.spec.model_dump(exclude={"source", "assumptions", "format"})
    return spec, table.drop(["source"]).to_pylist()


@pytest.mark.parametrize("name", TABLE_WRITERS)
def test_every_format_gives_the_same_rows(tmp_path, name):
    write_csv(tmp_path / "expected.csv", ROWS)
    TABLE_WRITERS[name](tmp_path / name, ROWS)
    expected = read_source(tmp_path / "expected.csv", **OPTIONS)
    assert read_source(tmp_path / name, **OPTIONS) == expected
    spec, rows = expected
    kinds = {column["name"]: column["kind"] for column in spec["columns"]}
    assert kinds == {"id": "numeric", "size": "numeric", "color": "categorical", "seen": "date", "note": "categorical"}
    assert [row["size"] for row in rows[3:8]] == ["0.429", None, "0.714", "12345678901", "12345678901.5"]


@pytest.mark.parametrize("name", TABLE_WRITERS)
def test_every_format_gives_the_same_rows_to_predict(tmp_path, name):
    TABLE_WRITERS[name](tmp_path / name, ROWS)
    columns = ["seen", "size", "color"]
    options = InputOptions("table", columns, columns, ReadOptions(source=name), ["id"])
    chunks = list(open_input(tmp_path / name, options).chunks)
    rows = [row for chunk in chunks for row in chunk.payload.load(0, len(chunk)).rows]
    copied = [cell for chunk in chunks for cell in chunk.copied.column("id").to_pylist()]
    assert [row["color"] or None for row in rows] == [row["color"] for row in ROWS]
    assert [row["seen"] for row in rows] == [str(row["seen"]) for row in ROWS]
    assert copied == [str(row["id"]) for row in ROWS]


PIXELS = np.random.default_rng(0).integers(0, 256, (9, 6, 5), np.uint8)
CLASSES = ["0", "1", "2"] * 3
FEATURES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["0", "1", "2"]}}


def image_table() -> pa.Table:
    images = pa.array([{"bytes": png(image), "path": None} for image in PIXELS])
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    return pa.table({"image": images, "label": list(map(int, CLASSES))}).replace_schema_metadata(metadata)


def write_image_parquet(folder: Path) -> Path:
    pq.write_table(image_table(), folder / "images.parquet", row_group_size=2)
    return folder / "images.parquet"


def write_bytes_parquet(folder: Path) -> Path:
    """A column of bytes, not Hugging Face's struct, beside the names of the files."""
    names = [f"{index}.png" for index in range(len(PIXELS))]
    table = pa.table({"file": names, "photo": list(map(png, PIXELS)), "label": CLASSES})
    pq.write_table(table, folder / "images.parquet", row_group_size=2)
    return folder / "images.parquet"


def write_bytes_feather(folder: Path) -> Path:
    photos = pa.array([None, *map(png, PIXELS[1:])], pa.large_binary()).fill_null(png(PIXELS[0]))
    feather.write_feather(pa.table({"photo": photos, "label": CLASSES}), str(folder / "images.feather"))
    return folder / "images.feather"


def write_image_dataset(folder: Path) -> Path:
    """A dataset of `save_to_disk` of an old version: the rows are those that its indices name."""
    table = image_table().take([4, 0, 1, 2, 3, 5, 6, 7, 8])
    for name, content in {
        "dataset.arrow": table,
        "indices.arrow": pa.table({"indices": [1, 2, 3, 4, 0, 5, 6, 7, 8]}),
    }.items():
        with pa.ipc.new_stream(str(folder / name), content.schema) as stream:
            stream.write_table(content, 4)
    write_state(folder, ["dataset.arrow"], ["indices.arrow"])
    return folder


def write_npz(folder: Path) -> Path:
    np.savez_compressed(folder / "images.npz", x=PIXELS, y=np.array(CLASSES, int)[:, None])
    return folder / "images.npz"


def write_kuzushiji(folder: Path) -> Path:
    np.savez(folder / "kmnist-train-imgs.npz", PIXELS)
    np.savez(folder / "kmnist-train-labels.npz", np.array(CLASSES, np.uint8))
    return folder


def write_tar(folder: Path) -> Path:
    with tarfile.open(folder / "shard-0000.tar", "w") as archive:
        for index, (image, label) in enumerate(zip(PIXELS, CLASSES, strict=True)):
            for extension, content in (("png", png(image)), ("cls", label.encode())):
                member = tarfile.TarInfo(f"{index:04d}.{extension}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return folder


IMAGE_WRITERS = [
    write_image_parquet,
    write_bytes_parquet,
    write_bytes_feather,
    write_image_dataset,
    write_npz,
    write_kuzushiji,
    write_tar,
]


@pytest.mark.parametrize("write", IMAGE_WRITERS)
def test_every_format_gives_the_same_images(tmp_path, write):
    spec, rows = read_source(write(tmp_path))
    assert (spec["modality"], spec["task"]) == ("image", "classification")
    assert [row["label"] for row in rows] == CLASSES
    assert all(
        np.array_equal(Image.open(io.BytesIO(row["image"])), pixels) for row, pixels in zip(rows, PIXELS, strict=True)
    )
    assert len({row["row_id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("write", IMAGE_WRITERS)
def test_every_format_gives_the_same_images_to_predict(tmp_path, write):
    options = InputOptions("image", ["image"], ["image"], ReadOptions(source="images"))
    loaded = [chunk.payload.load(0, len(chunk)) for chunk in open_input(write(tmp_path), options).chunks]
    if isinstance(loaded[0], np.ndarray):
        assert np.array_equal(np.concatenate(loaded)[..., 0], PIXELS)
        return
    images = [row["image"] for part in loaded for row in part.rows]
    assert all(
        np.array_equal(Image.open(io.BytesIO(data)), pixels) for data, pixels in zip(images, PIXELS, strict=True)
    )
