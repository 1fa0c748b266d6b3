import logging
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import check
from pipeline.errors import ConfigError, DataError
from pipeline.paths import SPLITS, Paths
from pipeline.stages import split
from pipeline.storage.tables import read_table, write_shards

FRACTIONS = [0.7, 0.15, 0.15]
SCHEMA = pa.schema([("row_id", pa.string()), ("label", pa.string()), ("split", pa.string())])


def project(root: Path, rows: list[tuple[str, str, str | None]]) -> Paths:
    """A project whose clean rows (without their content, which split never reads) are these."""
    paths = Paths(root)
    paths.clean_dir.mkdir(parents=True)
    named = [dict(zip(SCHEMA.names, row, strict=True)) for row in rows]
    write_shards(paths.clean_dir, SCHEMA, [pa.RecordBatch.from_pylist(named, SCHEMA)])
    return paths


def many(num_rows: int, split_name: str | None = None, start: int = 0) -> list[tuple[str, str, str | None]]:
    return [(f"{index:032x}", "ab"[index % 2], split_name) for index in range(start, start + num_rows)]


def assigned(paths: Paths) -> dict[str, str]:
    table = read_table(paths.split_dir)
    return dict(zip(table.column("row_id").to_pylist(), table.column("split").to_pylist(), strict=True))


def test_split_shares_are_near_the_fractions(tmp_path: Path) -> None:
    paths = project(tmp_path, many(4000))
    metrics = split.run(split.Config(), paths)
    splits = list(assigned(paths).values())
    assert metrics == {name: splits.count(name) for name in SPLITS}
    assert sum(metrics.values()) == 4000
    assert [metrics[name] / 4000 for name in SPLITS] == pytest.approx(FRACTIONS, abs=0.03)


def test_split_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    written = []
    for name, rows in (("one", many(50)), ("two", many(50)[::-1])):
        paths = project(tmp_path / name, rows)
        split.run(split.Config(), paths)
        written.append({path.name: path.read_bytes() for path in paths.split_dir.iterdir()})
    assert written[0] == written[1]
    assert list(written[0]) == ["part-00000.parquet"]


def test_split_another_seed_is_another_assignment(tmp_path: Path) -> None:
    paths = project(tmp_path, many(200))
    split.run(split.Config(), paths)
    before = assigned(paths)
    split.run(split.Config(seed=1), paths)
    assert assigned(paths) != before


def test_place_is_fixed_for_ever() -> None:
    assert split.place("0" * 32, seed=0) == 0.7109148292174297  # another would move every row of every user
    assert split.place("0" * 32, seed=1) != split.place("0" * 32, seed=0)


def test_split_official_is_kept(tmp_path: Path) -> None:
    rows = [*many(20, "train"), *many(10, "val", 20), *many(10, "test", 30)]
    paths = project(tmp_path, rows)
    assert split.run(split.Config(), paths) == {"train": 20, "val": 10, "test": 10}
    assert assigned(paths) == {row_id: name for row_id, _, name in rows}


@pytest.mark.parametrize("lacking", [("val",), ("test",), ("val", "test")])
def test_split_official_that_lacks_some_carves_them_out_of_train(tmp_path: Path, lacking: tuple[str, ...]) -> None:
    given_splits = [name for name in ("val", "test") if name not in lacking]
    rows = [*many(1000, "train"), *(row for name in given_splits for row in many(10, name, 1000))]
    paths = project(tmp_path, rows)
    metrics = split.run(split.Config(strategy="official"), paths)
    after = assigned(paths)
    assert all(after[row_id] == name for row_id, _, name in rows if name != "train")
    assert {after[row_id] for row_id, _, name in rows if name == "train"} == {"train", *lacking}
    for name in lacking:
        assert metrics[name] / 1000 == pytest.approx(0.15 / (0.7 + 0.15 * len(lacking)), abs=0.04)


def test_split_stratified_ignores_the_official_one(tmp_path: Path) -> None:
    paths = project(tmp_path, many(200, "train"))
    assert split.run(split.Config(strategy="stratified"), paths)["test"] > 0
    assert assigned(paths) == split.assign({row[0]: row[1] for row in many(200)}, SPLITS, FRACTIONS, seed=0)


@pytest.mark.parametrize("name", [None, "test"])
def test_split_official_without_train_rows_is_told(tmp_path: Path, name: str | None) -> None:
    with pytest.raises(DataError, match="'official', but no clean row is in an official 'train' split; choose 'strat"):
        split.run(split.Config(strategy="official"), project(tmp_path, many(9, name)))


def test_assign_class_too_small_for_all_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        splits = split.assign({"x": "cat", "y": "cat"}, SPLITS, FRACTIONS, seed=0)
    assert "train" in splits.values()
    assert len(set(splits.values())) == 2
    assert len(caplog.messages) == 1
    assert "class 'cat' has too few rows (2) to be in split" in caplog.messages[0]


@pytest.mark.parametrize("fractions", [[0.7, 0.3], [0.7, 0.2, 0.2], [1.0, 0.0, 0.0], [1.2, -0.1, -0.1]])
def test_config_fractions_that_are_none_are_refused(fractions: list[float]) -> None:
    with pytest.raises(ConfigError, match=r"^split.fractions: got \[.*\]; must be three numbers above 0 that sum to 1"):
        check(split.Config, {"fractions": fractions}, "split")


ids = st.sets(st.text("0123456789abcdef", min_size=32, max_size=32), min_size=1, max_size=40)


@settings(deadline=None)  # a loaded machine is no mistake
@given(ids, ids, st.integers(0, 3))
def test_adding_rows_moves_no_old_row(old: set[str], new: set[str], seed: int) -> None:
    # each split has a row of the class by hash, as every class has that is not tiny
    anchors = {f"anchor{index}" for index in range(60)}
    before = split.assign(dict.fromkeys(anchors | old, "cat"), SPLITS, FRACTIONS, seed=seed)
    after = split.assign(dict.fromkeys(anchors | old | new, "cat"), SPLITS, FRACTIONS, seed=seed)
    assert before.items() <= after.items()


@settings(deadline=None)  # a loaded machine is no mistake
@given(st.lists(st.sampled_from("abc"), min_size=3, max_size=30), st.integers(0, 5))
def test_every_class_of_three_rows_is_in_every_split_and_few_rows_move(labels: list[str], seed: int) -> None:
    rows = {f"{index:032x}": label for index, label in enumerate(labels)}
    splits = split.assign(rows, SPLITS, FRACTIONS, seed=seed)
    assert splits.keys() == rows.keys()
    for label in set(labels):
        own = [splits[row_id] for row_id in rows if rows[row_id] == label]
        assert len(set(own)) == min(3, len(own))
        by_hash = [split.place(row_id, seed) for row_id in rows if rows[row_id] == label]
        moved = sum(name != SPLITS[(where >= 0.7) + (where >= 0.85)] for name, where in zip(own, by_hash, strict=True))
        assert moved <= 2
