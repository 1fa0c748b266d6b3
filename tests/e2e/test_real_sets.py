"""Real sets through the recipes, up to what training reads: counts as published, and no row lost on the way."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from headrace.contracts import Spec
from headrace.paths import SPLITS, Paths
from headrace.storage.arrays import open_arrays
from headrace.storage.parquet import read_table

PLACE = os.environ.get("HEADRACE_BENCH_DATA", "")
RECIPES = Path(__file__).resolve().parents[2] / "recipes"
LEFT_HALF = ("ingest", "clean", "split", "normalize")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.skipif(not PLACE, reason="HEADRACE_BENCH_DATA is not set: it names the folder of the real sets"),
]
COPIES = {
    "mnist": {"source": "mnist"},
    "cifar10-fast": {"source": "cifar10/cifar10_jpeg.tar.xz"},
    "sms-spam": {"source": "text/sms_spam.tsv", "format": "sms-spam"},
    "sst2": {"source": "text/sst2"},
    "adult": {"source": "tabular/adult", "format": "adult"},
    "titanic": {"source": "tabular/titanic/titanic.csv"},
}
"""Recipe -> where its copy lies, and the reader that the recipe's own source would have had."""
MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
ROWS = {
    "mnist": {
        ("train", str(digit)): size for digit, size in enumerate(MNIST_TRAIN)
    },
    "adult": {
        ("train", "<=50K"): 24720, ("train", ">50K"): 7841, ("test", "<=50K"): 12435, ("test", ">50K"): 3846,
    },
    "titanic": {(None, "0"): 549, (None, "1"): 342},
    "sms-spam": {(None, "ham"): 4827, (None, "spam"): 747},
}  # fmt: skip
"""Recipe -> raw rows by official split and label, as published."""
NUM_ROWS = {"mnist": 70_000, "cifar10-fast": 60_000, "sms-spam": 5574, "sst2": 9613, "adult": 48_842, "titanic": 891}
OFFICIAL = {
    "mnist": {"train": 60_000, "test": 10_000},
    "cifar10-fast": {"train": 50_000, "test": 10_000},
    "sst2": {"train": 6920, "val": 872, "test": 1821},
    "adult": {"train": 32_561, "test": 16_281},
}
MISSING_CELLS = {
    "adult": {"workclass": 2799, "occupation": 2809, "native-country": 857},
    "titanic": {"Age": 177, "Cabin": 687, "Embarked": 2},
}


@pytest.fixture(scope="module")
def left_half(tmp_path_factory):
    """Name -> the recipe's project after its first four stages, and their metrics; built once."""

    @cache
    def build(name):
        folder = tmp_path_factory.mktemp(name)
        params = YAML(typ="safe").load(RECIPES / f"{name}.yaml")
        params["ingest"] |= COPIES[name] | {"source": str(Path(PLACE) / COPIES[name]["source"])}
        (folder / "params.yaml").write_text(json.dumps(params))  # JSON is YAML
        for stage in LEFT_HALF:
            command = [sys.executable, "-m", "headrace", stage]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400)
            assert done.returncode == 0, done.stderr[-2000:]
        paths = Paths(folder)
        return paths, {stage: json.loads(paths.metrics_path(stage).read_text()) for stage in LEFT_HALF}

    return build


def tally(paths):
    """Raw rows by official split and label."""
    counts = read_table(paths.raw_dir, ["split", "label"]).group_by(["split", "label"]).aggregate([([], "count_all")])
    return {(row["split"], row["label"]): row["count_all"] for row in counts.to_pylist()}


@pytest.mark.parametrize("name", COPIES)
def test_raw_rows_are_as_published(left_half, name):
    paths, metrics = left_half(name)
    counts = tally(paths)
    assert metrics["ingest"]["rows"] == sum(counts.values()) == NUM_ROWS[name]
    assert ROWS.get(name, {}).items() <= counts.items()
    for split, size in OFFICIAL.get(name, {}).items():
        assert sum(count for (official, _), count in counts.items() if official == split) == size
    if name == "cifar10-fast":
        assert sorted(set(counts.values())) == [1000, 5000]


@pytest.mark.parametrize("name", COPIES)
def test_no_row_is_lost(left_half, name):
    paths, metrics = left_half(name)
    clean, split = metrics["clean"], metrics["split"]
    ids = {
        folder: read_table(folder, ["row_id"]).column("row_id").to_pylist()
        for folder in (paths.raw_dir, paths.clean_dir, paths.quarantine_dir, paths.split_dir)
    }
    assert clean["rows_in"] == NUM_ROWS[name] == clean["rows_out"] + clean["quarantined"]
    assert sorted(ids[paths.raw_dir]) == sorted(ids[paths.clean_dir] + ids[paths.quarantine_dir])
    assert sorted(ids[paths.split_dir]) == sorted(ids[paths.clean_dir])
    stored = [row_id for part in SPLITS for row_id in open_arrays(paths.normalized_dir / part).row_ids.astype(str)]
    assert len(stored) == len(set(stored)) == sum(split[part] for part in SPLITS)
    assert set(stored) <= set(ids[paths.clean_dir])
    unused = set(ids[paths.clean_dir]) - set(stored)
    assert len(unused) == (split["leaking_rows"] if name == "cifar10-fast" else 0), "only leaking rows are left out"


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_test_rows_are_the_test(left_half, name):
    paths, _ = left_half(name)
    raw = {row["row_id"]: row["split"] for row in read_table(paths.raw_dir, ["row_id", "split"]).to_pylist()}
    test = open_arrays(paths.normalized_dir / "test").row_ids.astype(str)
    assert {raw[row_id] for row_id in test} == {"test"}
    gone = read_table(paths.quarantine_dir, ["split"]).column("split").to_pylist().count("test")
    assert len(test) == OFFICIAL[name]["test"] - gone
    assert gone < 30


@pytest.mark.parametrize("name", MISSING_CELLS)
def test_missing_cells_are_counted_and_reported(left_half, name):
    paths, metrics = left_half(name)
    raw = read_table(paths.raw_dir)
    features = [column.name for column in Spec.read(paths.raw_dir).columns]
    num_missing = {column: raw.column(column).null_count for column in features if raw.column(column).null_count}
    assert num_missing == MISSING_CELLS[name]
    assert metrics["clean"]["columns_missing_cell"] == len(num_missing)
    report = paths.clean_report_path.read_text()
    assert all(column in report for column in num_missing)


def test_duplicate_messages_are_in_quarantine(left_half):
    paths, metrics = left_half("sms-spam")
    texts = read_table(paths.raw_dir, ["text"]).column("text").to_pylist()
    num_repeated = len(texts) - len(set(texts))
    assert num_repeated == 414  # 403, and 11 that differ in white space at their end
    assert num_repeated <= metrics["clean"]["quarantined"] < num_repeated + 30  # and those that are equal once repaired


@pytest.mark.parametrize(
    ("name", "means", "deviations"),
    [
        ("mnist", [0.1307], [0.3081]),
        ("cifar10-fast", [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
    ],
)
def test_pixels_have_the_published_mean_and_deviation(left_half, name, means, deviations):
    paths, _ = left_half(name)
    sums, squares, num_pixels = 0.0, 0.0, 0
    for split in ("train", "val"):  # validation is carved out of the official train split
        inputs = open_arrays(paths.normalized_dir / split).inputs
        for start in range(0, len(inputs), 5000):
            levels = inputs[start : start + 5000].reshape(-1, len(means)) / np.float64(255)
            sums, squares = sums + levels.sum(axis=0), squares + (levels**2).sum(axis=0)
            num_pixels += len(levels)
    mean = sums / num_pixels
    # the copies of CIFAR-10 are JPEG: smoother than the originals
    assert mean == pytest.approx(means, abs=5e-5 if name == "mnist" else 5e-4)
    assert np.sqrt(squares / num_pixels - mean**2) == pytest.approx(deviations, abs=5e-5 if name == "mnist" else 3e-3)


@pytest.mark.parametrize("name", ["sms-spam", "sst2"])
def test_texts_are_ids_of_a_vocabulary(left_half, name):
    paths, metrics = left_half(name)
    tokens = open_arrays(paths.normalized_dir / "train").inputs[:]
    assert tokens.shape[1] <= metrics["normalize"]["max_tokens"]
    assert set(np.unique(tokens)) <= set(range(metrics["normalize"]["vocabulary"]))
    assert (tokens == 1).mean() < 0.01, "byte-pair encoding knows nearly all of it"
    assert (tokens > 1).sum(axis=1).min() > 0


@pytest.mark.parametrize("name", ["adult", "titanic"])
def test_tables_are_numbers_that_fit_their_transform(left_half, name):
    paths, _ = left_half(name)
    transform = json.loads((paths.normalized_dir / "transform.json").read_text())
    train = open_arrays(paths.normalized_dir / "train")
    assert train.inputs.shape[1:] == (len(transform["inputs"]),)
    for place, about in enumerate(transform["inputs"]):
        values = np.asarray(train.inputs[:, place])
        if about["kind"] == "categorical":
            assert set(np.unique(values)) <= set(range(about["num_values"])), about["name"]
        else:
            assert np.isnan(values).any() == about["has_missing"], about["name"]
            assert np.nanstd(values) > 0, about["name"]
    assert set(np.unique(train.targets)) == {0, 1}
