import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from headrace.data.image.decode import decode_image
from headrace.data.image.reading.idx import IMAGES, LABELS, is_idx_folder, read_idx
from headrace.data.image.reading.rows import RAW_SCHEMA
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import ConfigError, DataError
from tests.projects import pictures

NAME = f"train-{IMAGES}.gz"


def idx_bytes(values, kind=8):
    return struct.pack(f">HBB{values.ndim}I", 0, kind, values.ndim, *values.shape) + values.tobytes()


def write_set(folder, prefix, num_rows, seed=0, compress=gzip.compress, suffix=".gz"):
    folder.mkdir(exist_ok=True)
    images, labels = pictures(num_rows, seed)
    (folder / f"{prefix}-{IMAGES}{suffix}").write_bytes(compress(idx_bytes(images[..., 0])))
    (folder / f"{prefix}-{LABELS}{suffix}").write_bytes(compress(idx_bytes(labels.astype(np.uint8))))
    return images, labels


def table_of(folder):
    return pa.Table.from_batches(read_idx(folder, ReadOptions(source=str(folder))).batches, RAW_SCHEMA)


def test_plain_and_gzipped_files_are_read_with_their_splits(tmp_path):
    images, labels = write_set(tmp_path / "set", "train", 1500)
    write_set(tmp_path / "set", "t10k", 7, seed=1, compress=bytes, suffix="")
    rows = table_of(tmp_path / "set").to_pylist()
    assert [row["split"] for row in rows] == ["test"] * 7 + ["train"] * 1500
    assert [rows[6]["source"], rows[7]["source"], rows[-1]["source"]] == [
        f"t10k-{IMAGES}[6]", f"{NAME}[0]", f"{NAME}[1499]",
    ]  # fmt: skip
    train = rows[7:]
    assert [row["label"] for row in train] == [str(label) for label in labels]
    assert all((decode_image(row["image"]) == image).all() for row, image in zip(train, images, strict=True))
    assert is_idx_folder(tmp_path / "set")


def test_other_files_in_the_folder_are_ignored(tmp_path):
    write_set(tmp_path, "train", 3)
    for name in (f".{NAME}.json", f"{NAME}.md5", f".{NAME}"):
        (tmp_path / name).write_text("{}")
    assert table_of(tmp_path).num_rows == 3
    (tmp_path / NAME).unlink()
    assert not is_idx_folder(tmp_path)


def test_spec_is_set_and_options_of_tables_are_refused(tmp_path):
    write_set(tmp_path, "train", 3)
    spec = read_idx(tmp_path, ReadOptions(source="here")).spec
    assert (spec.modality, spec.task, spec.format, spec.source, spec.num_rows) == (
        "image", "classification", "idx", "here", 0,
    )  # fmt: skip
    for options in ({"target": "digit"}, {"split_column": "part"}, {"task": "regression"}):
        with pytest.raises(ConfigError, match=rf"^params.yaml: ingest.{next(iter(options))}: got '\w+'; "):
            read_idx(tmp_path, ReadOptions(source="here", **options))


def test_row_ids_do_not_depend_on_the_position(tmp_path):
    write_set(tmp_path / "a", "train", 20)
    write_set(tmp_path / "b", "other", 5, seed=3)
    write_set(tmp_path / "b", "zzz", 20)
    a, b = ({row["row_id"] for row in table_of(tmp_path / name).to_pylist()} for name in "ab")
    assert len(a) == 20
    assert len(b) == 25
    assert a < b


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        (NAME, lambda data: data[: len(data) // 2], "damaged gz ("),
        (NAME, lambda _: b"no gzip at all", "damaged gz ("),
        (NAME, lambda data: gzip.compress(gzip.decompress(data)[:-3]), "ends 3 bytes early"),
        (NAME, lambda _: gzip.compress(b"\0\0"), "ends 2 bytes early"),
        (NAME, lambda _: gzip.compress(idx_bytes(np.zeros((2, 3), np.uint8))), "begins with 00000802"),
        (NAME, lambda _: gzip.compress(idx_bytes(np.zeros((2, 3, 3), np.uint8), kind=13)), "begins with 00000d03"),
        (NAME, lambda _: gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 30, 2**31, 2**31)), "at most 1048576 pixels"),
        (f"train-{LABELS}.gz", lambda _: gzip.compress(idx_bytes(np.zeros(29, np.uint8))), "holds 30 images, "),
    ],
)
def test_a_damaged_file_gives_one_line(tmp_path, name, change, problem):
    folder = tmp_path / "set"
    write_set(folder, "train", 30)
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    with pytest.raises(DataError) as caught:
        table_of(folder)
    assert problem in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_labels_and_missing_images_are_refused(tmp_path):
    write_set(tmp_path / "set", "train", 30)
    (tmp_path / "set" / f"train-{LABELS}.gz").unlink()
    with pytest.raises(DataError, match=f"has no train-{LABELS}.gz next to it"):
        table_of(tmp_path / "set")
    (tmp_path / "empty").mkdir()
    assert not is_idx_folder(tmp_path / "empty")
    with pytest.raises(DataError, match="has no file named like"):
        table_of(tmp_path / "empty")


@pytest.mark.slow
@pytest.mark.skipif("HEADRACE_BENCH_DATA" not in os.environ, reason="HEADRACE_BENCH_DATA is not set")
def test_mnist_has_the_published_counts():
    folder = Path(os.environ["HEADRACE_BENCH_DATA"]) / "mnist"
    table = table_of(folder)
    train = table.filter(pa.compute.equal(table["split"], "train"))
    assert (table.num_rows, train.num_rows) == (70_000, 60_000)
    counts = {item["values"]: item["counts"] for item in train["label"].value_counts().to_pylist()}
    assert [counts[str(digit)] for digit in range(10)] == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
