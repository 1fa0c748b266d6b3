import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from headrace.errors import ConfigError
from headrace.evaluation import slice_definitions
from headrace.evaluation.predictions import open_split
from headrace.storage.arrays import Arrays, write_columns
from headrace.storage.parquet import write_shards
from tests.drawn import png, row_id
from tests.text_tables import make_text_table

COLUMNS = {
    "size": np.array([*np.arange(60.0), *[np.nan] * 40]),
    "colour": np.array(["red"] * 50 + ["blue"] * 19 + ["missing"] * 31, object),
    "empty": np.full(100, np.nan),
}


def sizes_of(slices):
    return {str(key): int(rows.sum()) for key, rows in slices.items()}


def numeric(name, column=None):
    return {"name": name, "column": column or name, "kind": "numeric"}


def test_slice_columns_by_common_values_thirds_of_numbers_and_missing_ones():
    assert sizes_of(slice_definitions.slice_columns(COLUMNS)) == {
        "size=low": 20, "size=middle": 20, "size=high": 20, "size=missing": 40, "colour=red": 50, "colour=missing": 31,
        "empty=missing": 100,
    }  # fmt: skip


def test_slice_columns_takes_the_commonest_values():
    cities = np.array([f"c{index}" for index in range(30) for _ in range(20 + index)], object)
    slices = slice_definitions.slice_columns({"city": cities})
    assert [key.value for key in slices] == [f"c{index}" for index in range(29, 19, -1)]


def test_define_slices_takes_the_first_columns_or_those_of_the_settings():
    many = {f"x{index}": np.random.default_rng(index).random(60) for index in range(50)}
    assert len(slice_definitions.define_slices(many, None)) == 3 * slice_definitions.MAX_COLUMNS
    assert {key.column for key in slice_definitions.define_slices(many, ["x45", "x2"])} == {"x45", "x2"}
    with pytest.raises(ConfigError, match=r"^params.yaml: test.slices: no column 'x99'; choose one of \['x0', "):
        slice_definitions.define_slices(many, ["x99"])


def test_bounds_of_thirds_are_values_of_the_source():
    days = np.arange(30.0)
    inputs = [numeric("seen.days", "seen")]
    columns = [{"name": "seen", "kind": "date", "offset": 19723.0, "unit": 1.0}]
    sliced = {"seen": days, "age": days / 2, "sex": np.array(["m", "f", "low"] * 10, object)}
    slices = slice_definitions.slice_columns(sliced)
    bounds = slice_definitions.bound_thirds(sliced, slices, {"inputs": inputs, "columns": columns})
    assert [tuple(third) for third in bounds] == [
        ("seen", "low", "2024-01-01", "2024-01-10"),
        ("seen", "middle", "2024-01-11", "2024-01-20"),
        ("seen", "high", "2024-01-21", "2024-01-30"),
        ("age", "low", "0", "4.5"),
        ("age", "middle", "5", "9.5"),
        ("age", "high", "10", "14.5"),
    ]


def test_decode_columns_gives_numbers_names_of_categories_and_texts_of_few_numbers():
    days, flag, colour = np.arange(30.0), np.arange(30) % 2, np.arange(30) % 3 + 1
    stored = np.stack([days, np.sin(days), flag, colour], axis=1).astype(np.float32)
    inputs = [numeric("seen.days", "seen"), numeric("seen.year_sin", "seen"), numeric("flag"), numeric("colour")]
    inputs[3]["kind"] = "categorical"
    columns = [
        {"name": "seen", "kind": "date", "offset": 0.0, "unit": 1.0},
        {"name": "flag", "kind": "numeric", "offset": 0.0, "unit": 1.0},
        {"name": "colour", "kind": "categorical", "values": ["red", "blue"]},
    ]
    rows = Arrays(stored, np.zeros(30), np.zeros(30, "S32"))
    decoded = slice_definitions.decode_columns(rows, {"inputs": inputs, "columns": columns})
    assert decoded["seen"].tolist() == days.tolist()
    assert decoded["flag"][:3].tolist() == ["0", "1", "0"]
    assert decoded["colour"][:3].tolist() == ["missing", "red", "blue"]


def test_read_other_columns_reads_texts_numbers_and_days(tmp_path):
    days = [dt.datetime(2024, 1, 1) + dt.timedelta(days=index) for index in range(40)]  # noqa: DTZ001
    columns = {
        "size": pa.array([1.0] * 40), "sex": ["m", "f", None, "f"] * 10, "weight": [str(index) for index in range(40)],
        "name": [f"n{index}" for index in range(40)], "seen": pa.array(days, pa.timestamp("us")),
    }  # fmt: skip
    assert slice_definitions.list_other_columns(tmp_path) == slice_definitions.list_other_columns(None) == []
    write_columns(tmp_path, pa.table(columns))
    assert slice_definitions.list_other_columns(tmp_path) == list(columns)
    read = slice_definitions.read_other_columns(tmp_path, ["sex", "weight", "name", "seen"])
    assert list(read) == ["sex", "weight", "name", "seen"]
    assert read["sex"].tolist() == ["m", "f", "missing", "f"] * 10
    assert read["weight"].tolist() == list(range(40))
    assert read["name"].tolist() == columns["name"]
    assert (read["seen"] - read["seen"][0]).tolist() == list(range(40))


def test_slice_values_has_all_values_of_few_rows_too():
    sizes = {
        name: {value: int(rows.sum()) for value, rows in
               slice_definitions.slice_values(values, min_rows=1, max_values=2).items()}
        for name, values in COLUMNS.items()
    }  # fmt: skip
    assert sizes["size"] == {"low": 20, "middle": 20, "high": 20, "missing": 40}
    assert sizes["colour"] == {"red": 50, "missing": 31}
    assert sizes["empty"] == {"missing": 100}


@pytest.mark.parametrize("project", [("text", "classification")], indirect=True)
def test_measure_texts_counts_tokens(project):
    rows = open_split(project.normalized_dir / "val")
    assert slice_definitions.measure_texts(rows, {})["tokens"].tolist() == (rows.inputs[:] != 0).sum(axis=1).tolist()


def test_measure_images_averages_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    rows = Arrays(pixels, np.zeros(5), np.zeros(5, "S32"))
    assert slice_definitions.measure_images(rows, {})["brightness"] == pytest.approx(pixels.mean(axis=(1, 2, 3)))


def test_read_image_sizes_before_they_were_resized(tmp_path, monkeypatch):
    sizes = [(4, 9), (20, 3), (5, 5)]
    ids = sorted(row_id(index) for index in range(3))
    images = [png(np.zeros(size, np.uint8)) for size in sizes]
    table = pa.table({"row_id": ids[::-1], "image": images[::-1]})
    write_shards(tmp_path, table.schema, table.to_batches())
    row_ids = np.array([row.encode() for row in ids], "S32")
    assert slice_definitions.read_image_sizes(tmp_path, row_ids)["side"].tolist() == [9, 20, 5]
    monkeypatch.setattr(slice_definitions, "MAX_IMAGE_BYTES", 10)
    assert slice_definitions.read_image_sizes(tmp_path, row_ids) == {}


def test_slice_columns_of_one_value_has_no_slice():
    assert slice_definitions.slice_columns({"x": np.array(["a"] * 50, object), "y": np.ones(50)}) == {}


def test_decode_columns_gives_the_length_of_texts():
    table = make_text_table()
    rows = Arrays(table.inputs, table.targets, np.zeros(200, "S32"))
    columns = slice_definitions.decode_columns(rows, table.transform)
    assert list(columns) == ["title", "size", "body", "colour"]
    assert np.isnan(columns["title"]).sum() == 29
    assert columns["body"][0] == len(table.clean.column("body")[0].as_py().split())
