import csv
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from headrace.contracts import Spec
from headrace.data.image.reading.rows import RAW_SCHEMA
from headrace.data.table.encoding.serving import Encoder
from headrace.errors import DataError
from headrace.paths import SPLITS, Paths
from headrace.stages import normalize
from headrace.storage.arrays import list_stored_columns, open_arrays, read_columns, read_sources
from headrace.storage.parquet import read_table, write_shards
from tests.projects import QUICK_CHECKS, run_stages, table_rows, write_csv

OF_INDEX = ("train", "train", "val", "test")
"""Row i is in OF_INDEX[i % 4]."""


def noise(index: int, seed: int = 0, shape: tuple[int, ...] = (4, 4)) -> np.ndarray:
    return np.random.default_rng([index, seed]).integers(0, 256, shape, np.uint8)


def row_id(index: int) -> str:
    return f"{(index * 7) % 13:02x}" + f"{index:030x}"  # not in the order of the source


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def project(root: Path, images: list[np.ndarray], *, rows_per_batch: int = 100) -> Paths:
    """A project in the state after `split`."""
    paths = Paths(root)
    rows = [
        {
            "row_id": row_id(index),
            "image": png(pixels),
            "label": ["cat", "dog"][index % 3 == 0],
            "source": f"{index}.png",
        }
        for index, pixels in enumerate(images)
    ]
    for folder in (paths.clean_dir, paths.split_dir):
        folder.mkdir(parents=True)
    batches = [rows[start : start + rows_per_batch] for start in range(0, len(rows), rows_per_batch)]
    write_shards(paths.clean_dir, RAW_SCHEMA, [pa.RecordBatch.from_pylist(batch, RAW_SCHEMA) for batch in batches])
    spec = Spec(
        modality="image", task="classification", source="drawn", format="folder", num_rows=len(rows),
        classes=["cat", "dog"],
    )  # fmt: skip
    (paths.clean_dir / "spec.json").write_text(spec.to_json())
    write_split(paths, {row_id(index): OF_INDEX[index % 4] for index in range(len(rows))})
    return paths


def write_split(paths: Paths, splits: dict[str, str]) -> None:
    batch = pa.record_batch({"row_id": list(splits), "split": list(splits.values())})
    write_shards(paths.split_dir, batch.schema, [batch])


def transform_of(paths: Paths) -> bytes:
    return (paths.normalized_dir / "transform.json").read_bytes()


def test_normalize_puts_every_row_in_its_split_sorted_by_id(tmp_path: Path) -> None:
    images = [noise(index) for index in range(40)]
    paths = project(tmp_path, images, rows_per_batch=7)
    metrics = normalize.run(normalize.Config(), paths)
    assert metrics == {"train": 20, "val": 10, "test": 10, "height": 4, "width": 4, "channels": 1}
    index_of = {row_id(index).encode(): index for index in range(40)}
    for name in SPLITS:
        arrays = open_arrays(paths.normalized_dir / name)
        ids = arrays.row_ids.tolist()
        assert ids == sorted(row_id(index).encode() for index in range(40) if OF_INDEX[index % 4] == name)
        assert np.array_equal(arrays.inputs[..., 0], [images[index_of[key]] for key in ids])
        assert arrays.targets.tolist() == [int(index_of[key] % 3 == 0) for key in ids]


def test_normalize_records_shape_and_train_statistics(tmp_path: Path) -> None:
    images = [noise(index, shape=(4, 6, 3)) for index in range(12)]
    paths = project(tmp_path, images)
    normalize.run(normalize.Config(resize="crop"), paths)
    spec = Spec.read(paths.normalized_dir)
    assert (spec.input_shape, spec.classes, spec.num_rows) == ([4, 6, 3], ["cat", "dog"], 12)
    train = np.stack([pixels for index, pixels in enumerate(images) if OF_INDEX[index % 4] == "train"]) / 255
    fitted = json.loads(transform_of(paths))
    assert fitted["mean"] == pytest.approx(train.mean(axis=(0, 1, 2)).tolist(), rel=1e-9)
    assert fitted["std"] == pytest.approx(train.std(axis=(0, 1, 2)).tolist(), rel=1e-9)
    assert (fitted["input_shape"], fitted["resize"]) == ([4, 6, 3], "crop")
    assert fitted["target"] == {"num_rows": 6, "rows": {"cat": 4, "dog": 2}}  # of rows 0, 1, 4, 5, 8, 9


def test_normalize_resizes_to_the_configured_size(tmp_path: Path) -> None:
    paths = project(tmp_path, [noise(index) for index in range(8)])
    metrics = normalize.run(normalize.Config(image_size=[6, 8]), paths)
    assert (metrics["height"], metrics["width"]) == (6, 8)
    assert open_arrays(paths.normalized_dir / "test").inputs.shape == (2, 6, 8, 1)


def test_normalize_of_train_sizes_that_differ_reports_the_automatic_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = project(tmp_path, [noise(index, shape=(17, 30 + index % 2)) for index in range(8)], rows_per_batch=1)
    metrics = normalize.run(normalize.Config(), paths)
    assert (metrics["height"], metrics["width"]) == (16, 32)
    (warning,) = caplog.messages
    assert warning == (
        "image size: images are stored as 16 x 32 pixels with 1 channels, since train images have 2 sizes, of which"
        " 17 x 30 is the median; to change it: normalize.image_size: [HEIGHT, WIDTH]"
    )
    assert "have 2 sizes" in paths.assumptions_path.read_text()


def test_normalize_stores_the_columns_that_the_model_has_not(tmp_path: Path) -> None:
    rows, values = table_rows(200)
    labels = ["high" if value > 50 else "low" for value in values]
    cells = [
        row | {"note": f"n{index % 7}", "worth": label}
        for index, (row, label) in enumerate(zip(rows, labels, strict=True))
    ]
    write_csv(tmp_path / "rows.csv", cells)
    paths = Paths(tmp_path)
    ingest = {"source": "rows.csv", "target": "worth", "columns": {"note": "ignore", "noise": "ignore"}}
    run_stages(paths, {"ingest": ingest, "clean": {"checks": QUICK_CHECKS}}, ("ingest", "clean", "split", "normalize"))
    by_id = {row["row_id"]: row for row in read_table(paths.clean_dir).to_pylist()}
    for split in ("val", "test"):
        folder = paths.normalized_dir / split
        stored = read_columns(folder, list_stored_columns(folder)).to_pylist()
        ids = [each.decode() for each in open_arrays(folder).row_ids.tolist()]
        assert stored == [{name: by_id[each][name] for name in ("noise", "note")} for each in ids]
    assert list_stored_columns(paths.normalized_dir / "train") == []


def test_normalize_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    paths = project(tmp_path, [noise(index) for index in range(8)])
    written = []
    for _ in range(2):
        normalize.run(normalize.Config(), paths)
        files = [path for path in paths.normalized_dir.rglob("*") if path.is_file()]
        written.append({path: path.read_bytes() for path in files})
    assert written[0] == written[1]
    assert len(written[0]) == 3 * 4 + 3


def test_normalize_stores_the_places_of_the_rows(tmp_path: Path) -> None:
    paths = project(tmp_path, [noise(index) for index in range(8)])
    normalize.run(normalize.Config(), paths)
    clean = {row["row_id"]: row["source"] for row in read_table(paths.clean_dir).to_pylist()}
    for split in SPLITS:
        folder = paths.normalized_dir / split
        row_ids = [row_id.decode() for row_id in open_arrays(folder).row_ids]
        assert read_sources(folder).to_pylist() == [clean[row_id] for row_id in row_ids]


@pytest.mark.parametrize(
    ("num_known", "renamed", "line"),
    [
        (7, 0, "data/split: has 7 rows, .*data/clean has 8; run: dvc repro split"),
        (8, 1, "rows that are not in data/split"),
    ],
)
def test_normalize_with_another_split_is_an_error(tmp_path: Path, num_known: int, renamed: int, line: str) -> None:
    paths = project(tmp_path, [noise(index) for index in range(8)])
    known = {row_id(index): OF_INDEX[index % 4] for index in range(renamed, num_known)}
    write_split(paths, known | ({"f" * 32: "val"} if renamed else {}))
    with pytest.raises(DataError, match=line):
        normalize.run(normalize.Config(), paths)
    assert not paths.normalized_dir.exists()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 2**32), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.booleans())
def test_other_test_and_validation_rows_change_nothing_in_the_transform(
    seed: int, shape: tuple[int, int], is_colour: bool
) -> None:
    images = [noise(index) for index in range(12)]
    other_shape = (*shape, 3) if is_colour else shape
    others = [
        pixels if OF_INDEX[index % 4] == "train" else noise(index, seed, other_shape)
        for index, pixels in enumerate(images)
    ]
    written = []
    for version in (images, others):
        with tempfile.TemporaryDirectory() as folder:
            paths = project(Path(folder), version)
            normalize.run(normalize.Config(), paths)
            written.append(transform_of(paths))
    assert written[0] == written[1]


def test_served_texts_are_encoded_as_the_train_rows_were(tmp_path: Path) -> None:
    """A table with decimal commas, percent signs, placeholders, times and dates of a 12-hour clock."""
    rng = np.random.default_rng(0)
    cells = [
        {
            "preis": f"{rng.integers(1, 9)}.{rng.integers(0, 1000):03},{rng.integers(0, 100):02}",
            "anteil": f"{rng.integers(0, 100)},{rng.integers(0, 10)} %",
            "menge": "-" if index % 8 == 0 else str(rng.integers(0, 50)),
            "zeit": f"{rng.integers(1, 13)}:{rng.integers(0, 60):02} PM",
            "datum": f"{rng.integers(1, 13)}/{rng.integers(13, 29)}/2024 3:04 PM",
            "klasse": "ab"[index % 2],
        }
        for index in range(120)
    ]
    with (tmp_path / "x.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(cells[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(cells)
    paths = Paths(tmp_path)
    run_stages(paths, {"ingest": {"source": "x.csv", "target": "klasse"}}, ("ingest", "clean", "split", "normalize"))
    spec, transform = Spec.read(paths.normalized_dir), json.loads((paths.normalized_dir / "transform.json").read_text())
    assert [(column.name, column.kind) for column in spec.columns] == [
        ("preis", "numeric"), ("anteil", "numeric"), ("menge", "numeric"), ("zeit", "time"), ("datum", "date"),
    ]  # fmt: skip
    encoder = Encoder({**transform, "missing": spec.missing, "other_columns": spec.other_columns}, {})
    for split in SPLITS:
        arrays, places = open_arrays(paths.normalized_dir / split), read_sources(paths.normalized_dir / split)
        rows = [cells[int(str(place).partition(":")[2]) - 2] for place in places]
        np.testing.assert_array_equal(arrays.inputs, encoder(rows).inputs)
    prices = {float(row["preis"].replace(".", "").replace(",", ".")) for row in cells}
    assert set(read_table(paths.clean_dir)["preis"].to_pylist()) == prices
    assumptions = json.loads(paths.assumptions_path.read_text())["assumptions"]
    assert {entry["subject"] for entry in assumptions} >= {
        "delimiter", "header", "missing cells", "task", "kinds", "column 'preis'", "column 'anteil'", "column 'menge'",
        "column 'datum'",
    }  # fmt: skip
    assert all(entry["setting"] for entry in assumptions)
