"""Clean, split and normalize together: the same bytes on every engine, and no leak between splits."""

import json
from pathlib import Path

import pytest

from headrace.paths import Paths
from headrace.stages import clean, normalize, split
from headrace.storage.arrays import open_arrays
from headrace.storage.parquet import read_table
from tests.drawn import MODALITIES, content, faulty_rows, hashes, row_id, rows, write_raw

OUTS = ("data/clean", "data/quarantine", "data/split", "data/normalized", "reports/clean.html")
SMALL = {"text": {"vocabulary": 300, "max_tokens": 16}}


def prepared(root: Path, modality: str, listed: list[dict], engine: str = "local", exact_below: int = 3000) -> Paths:
    """A project in the state after `normalize`."""
    paths = write_raw(root, modality, listed)
    clean.run(clean.Config(engine=engine), paths)
    split.run(split.Config(exact_below=exact_below), paths)
    normalize.run(normalize.Config(engine=engine, **SMALL), paths)
    return paths


def all_rows(modality: str) -> list[dict]:
    return rows(modality, 60) + faulty_rows(modality)


@pytest.mark.parametrize(
    "modality", ["text", *(pytest.param(other, marks=pytest.mark.slow) for other in ("image", "table"))]
)
def test_several_processes_write_the_same_bytes_as_one(tmp_path, monkeypatch, modality):
    one = prepared(tmp_path / "one", modality, all_rows(modality))
    monkeypatch.setattr("headrace.cluster.batch_engine.SERIAL_BYTES", 0)
    monkeypatch.setattr("headrace.cluster.batch_engine.num_local_cpus", lambda: 2)
    many = prepared(tmp_path / "many", modality, all_rows(modality))
    assert hashes(one.root, *OUTS) == hashes(many.root, *OUTS)
    assert {"data/clean/part-00000.parquet", "data/normalized/transform.json", "reports/clean.html"} <= hashes(
        one.root, *OUTS
    ).keys()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("modality", MODALITIES)
def test_ray_writes_the_same_bytes_as_one_process(tmp_path, modality):
    one = prepared(tmp_path / "one", modality, all_rows(modality))
    ray = prepared(tmp_path / "ray", modality, all_rows(modality), engine="ray")
    assert hashes(one.root, *OUTS) == hashes(ray.root, *OUTS)


def splits_of(paths: Paths) -> dict[str, str]:
    return {row["row_id"]: row["split"] for row in read_table(paths.split_dir).to_pylist()}


@pytest.mark.parametrize("modality", MODALITIES)
def test_content_of_test_rows_does_not_change_the_transform(tmp_path, modality):
    listed = rows(modality, 80)
    before = prepared(tmp_path / "before", modality, listed)
    seen = splits_of(before)
    others = [
        row if seen[row["row_id"]] == "train" else row | content(modality, row["label"], 5000 + index)
        for index, row in enumerate(listed)
    ]
    after = prepared(tmp_path / "after", modality, others)
    assert splits_of(after) == seen
    texts = [(paths.normalized_dir / "transform.json").read_bytes() for paths in (before, after)]
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["input_shape"]
    train, test = ([hashes(paths.normalized_dir, name) for paths in (before, after)] for name in ("train", "test"))
    assert train[0] == train[1]
    assert test[0] != test[1]


@pytest.mark.parametrize("modality", MODALITIES)
def test_added_rows_move_no_old_ones(tmp_path, modality):
    before = splits_of(prepared(tmp_path / "before", modality, rows(modality, 80), exact_below=80))
    more = [*rows(modality, 40, first=300), *rows(modality, 80)]  # in front of the old ones
    after = splits_of(prepared(tmp_path / "after", modality, more, exact_below=80))
    assert {name: after[name] for name in before} == before
    assert len(after) == 120


@pytest.mark.parametrize("modality", MODALITIES)
def test_order_of_rows_does_not_change_the_arrays(tmp_path, modality):
    listed = rows(modality, 60)
    contents = []
    for name, order in (("forth", listed), ("back", listed[::-1])):
        paths = prepared(tmp_path / name, modality, order)
        stored = open_arrays(paths.normalized_dir / "train")
        contents.append((stored.row_ids.tolist(), stored.targets.tolist(), stored.inputs[:].tolist()))
    assert str(contents[0]) == str(contents[1])  # as text: NaN is not equal to itself
    assert contents[0][0] == sorted(contents[0][0])
    assert row_id(0).encode() in {*contents[0][0], *open_arrays(paths.normalized_dir / "test").row_ids.tolist(),
                                  *open_arrays(paths.normalized_dir / "val").row_ids.tolist()}  # fmt: skip
