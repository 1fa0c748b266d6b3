import logging
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.contracts import TaskName
from headrace.data.splitting.clean_rows import read_clean_rows
from headrace.data.splitting.hash_split import HashSplitConfig, split_by_hash
from headrace.data.splitting.row_hash import hash_position
from headrace.errors import DataError
from headrace.paths import SPLITS, Paths
from headrace.stages import split
from tests.data.splitting.conftest import FRACTIONS, by_id, clean_rows, read_assigned, row_id, write_project
from tests.projects import run_stages

Row = tuple[str, str, str | None]
"""Row id, label, official split."""


def project(root: Path, rows: list[Row], **columns: list[object]) -> Paths:
    named = dict(zip(("row_id", "label", "split"), map(list, zip(*rows, strict=True)), strict=True))
    return write_project(root, named | columns)


def many(num_rows: int, split_name: str | None = None, start: int = 0) -> list[Row]:
    return [(f"{index:032x}", "ab"[index % 2], split_name) for index in range(start, start + num_rows)]


def test_split_sizes_are_near_the_fractions(tmp_path: Path) -> None:
    paths = project(tmp_path, many(4000))
    metrics = split.run(split.Config(), paths)
    splits = list(read_assigned(paths).values())
    sizes = {name: splits.count(name) for name in SPLITS}
    assert metrics == {**sizes, "clustered_rows": 0, "largest_share_difference": metrics["largest_share_difference"]}
    assert 0 <= metrics["largest_share_difference"] < 0.05
    assert sum(sizes.values()) == len(splits) == 4000
    assert [metrics[name] / 4000 for name in SPLITS] == pytest.approx(FRACTIONS, abs=0.03)


def test_split_of_few_rows_has_the_fractions_to_the_row(tmp_path: Path) -> None:
    rows = [(row_id, "aab"[index % 3], None) for index, (row_id, _, _) in enumerate(many(300))]
    paths = project(tmp_path, rows)
    metrics = split.run(split.Config(), paths)
    assert [metrics[name] for name in SPLITS] == [210, 45, 45]
    assert metrics["largest_share_difference"] == 0
    exact = read_assigned(paths)
    split.run(split.Config(exact_below=300), paths)
    assert read_assigned(paths) != exact


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
    before = read_assigned(paths)
    split.run(split.Config(seed=1), paths)
    assert read_assigned(paths) != before


def test_split_official_is_kept(tmp_path: Path) -> None:
    rows = [*many(20, "train"), *many(10, "val", 20), *many(10, "test", 30)]
    paths = project(tmp_path, rows)
    metrics = split.run(split.Config(), paths)
    assert metrics == {
        "train": 20, "val": 10, "test": 10, "clustered_rows": 0, "largest_share_difference": 0.0, "leaking_rows": 0,
    }  # fmt: skip
    assert read_assigned(paths) == {row_id: name for row_id, _, name in rows}


@pytest.mark.parametrize("lacking", [("val",), ("test",), ("val", "test")])
def test_split_official_that_lacks_some_carves_them_out_of_train(tmp_path: Path, lacking: tuple[str, ...]) -> None:
    given_splits = [name for name in ("val", "test") if name not in lacking]
    rows = [*many(1000, "train"), *(row for name in given_splits for row in many(10, name, 1000))]
    paths = project(tmp_path, rows)
    metrics = split.run(split.Config(strategy="official"), paths)
    after = read_assigned(paths)
    assert all(after[row_id] == name for row_id, _, name in rows if name != "train")
    assert {after[row_id] for row_id, _, name in rows if name == "train"} == {"train", *lacking}
    for name in lacking:
        assert metrics[name] / 1000 == pytest.approx(0.15 / (0.7 + 0.15 * len(lacking)), abs=0.04)


def test_split_stratified_ignores_the_official_one(tmp_path: Path) -> None:
    paths = project(tmp_path, many(200, "train"))
    assert split.run(split.Config(strategy="stratified"), paths)["test"] > 0
    rows = clean_rows([row[1] for row in many(200)], row_ids=[row[0] for row in many(200)])
    config = HashSplitConfig(SPLITS, FRACTIONS, 0, is_stratified=True, exact_below=201)
    expected = by_id(rows, split_by_hash(rows, np.arange(200), config))
    assert read_assigned(paths) == {row_id: SPLITS[index] for row_id, index in expected.items()}


@pytest.mark.parametrize("name", [None, "test"])
def test_split_official_without_train_rows_is_an_error(tmp_path: Path, name: str | None) -> None:
    with pytest.raises(DataError, match="'official', but no clean row is in an official 'train' split; choose 'strat"):
        split.run(split.Config(strategy="official"), project(tmp_path, many(9, name)))


def test_split_warns_of_a_class_too_small_for_all_splits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = project(tmp_path, [*many(100), ("e" * 32, "cat", None), ("f" * 32, "cat", None)])
    with caplog.at_level(logging.WARNING):
        split.run(split.Config(), paths)
    splits = read_assigned(paths)
    assert splits["e" * 32] != splits["f" * 32]
    assert len(caplog.messages) == 1
    assert "class 'cat' has too few rows (2) to be in split" in caplog.messages[0]


def times(num_rows: int) -> list[object]:
    return [f"2024-{1 + index // 28:02d}-{1 + index % 28:02d}" for index in range(num_rows)]


def write_distinguishing_project(root: Path, *, task: TaskName, has_official: bool) -> Paths:
    """Rows that each strategy assigns differently; the three rows of one class are all for training by hash."""
    for_training = [row_id(number) for number in range(50) if hash_position(row_id(number), 0) < 0.7][:3]
    ids = [*(row[0] for row in many(200)), *for_training]
    columns = {
        "row_id": ids,
        "label": ["1", "2"] * 100 + ["3"] * 3,
        "split": [("train", "train", "val", "test")[number % 4] if has_official else None for number in range(203)],
        "who": [f"p{number % 70}" for number in range(200)] + [None] * 3,
        "when": times(203),
    }
    return write_project(root, columns, task=task)


@pytest.mark.parametrize(
    ("config", "has_official", "task", "expected"),
    [
        ({}, False, "classification", "stratified"),
        ({}, False, "regression", "random"),
        ({"group": "who"}, False, "classification", "stratified"),
        ({"group": "who"}, False, "regression", "random"),
        ({"time": "when"}, False, "classification", "time"),
        ({"time": "when", "group": "who"}, False, "regression", "time"),
        ({"time": "when", "group": "who"}, True, "classification", "official"),
        ({}, True, "regression", "official"),
    ],
)
def test_auto_depends_on_columns_and_task(
    tmp_path: Path, config: dict[str, str], has_official: bool, task: TaskName, expected: str
) -> None:
    paths = write_distinguishing_project(tmp_path, task=task, has_official=has_official)
    split.run(split.Config(**config), paths)
    by_auto, columns = read_assigned(paths), {"time": "when"} | config
    split.run(split.Config(**columns, strategy=expected), paths)
    assert by_auto == read_assigned(paths)
    for other in {"time", "random", *(["official"] if has_official else []), "stratified"} - {expected}:
        if {other, expected} == {"stratified", "random"} and task == "regression":
            continue  # there are no classes to stratify by
        split.run(split.Config(**columns, strategy=other), paths)
        assert by_auto != read_assigned(paths)


def test_group_is_random_by_group(tmp_path: Path) -> None:
    paths = write_distinguishing_project(tmp_path, task="classification", has_official=True)
    split.run(split.Config(strategy="group", group="who"), paths)
    by_group = read_assigned(paths)
    split.run(split.Config(strategy="random", group="who"), paths)
    assert read_assigned(paths) == by_group
    split.run(split.Config(strategy="random"), paths)
    assert read_assigned(paths) != by_group


def test_split_by_time_has_the_newest_rows_in_the_test(tmp_path: Path) -> None:
    paths = project(tmp_path, many(200), when=times(200))
    assert split.run(split.Config(time="when", counts=[None, 20, 30]), paths)["train"] == 150
    in_order = [read_assigned(paths)[row[0]] for row in many(200)]
    assert in_order == ["train"] * 150 + ["val"] * 20 + ["test"] * 30


@pytest.mark.parametrize("strategy", ["stratified", "random"])
def test_split_counts_are_exact(tmp_path: Path, strategy: str) -> None:
    paths = project(tmp_path, many(200))
    metrics = split.run(split.Config(strategy=strategy, counts=[100, None, 7]), paths)
    assert [metrics[name] for name in SPLITS] == [100, 93, 7]


def test_split_by_counts_warns_of_classes_that_a_split_lacks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        split.run(split.Config(counts=[None, 1, 1]), project(tmp_path, many(200)))
    assert [message[:32] for message in caplog.messages] == [
        "split 'val' has no row of 1 of 2",
        "split 'test' has no row of 1 of ",
    ]


def leaky(root: Path) -> tuple[Paths, set[str]]:
    """A project with official splits, of whose train rows two are near-duplicates of test rows, and their ids."""
    rows = [*many(20, "train"), *many(10, "val", 20), *many(10, "test", 30)]
    near_duplicates = [[rows[0][0], rows[1][0]], [rows[2][0], rows[35][0]], [rows[3][0], rows[21][0], rows[36][0]]]
    named = dict(zip(("row_id", "label", "split"), map(list, zip(*rows, strict=True)), strict=True))
    return write_project(root, named, near_duplicates=near_duplicates), {rows[2][0], rows[3][0]}


def test_split_official_leaks_are_reported_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths, _ = leaky(tmp_path)
    with caplog.at_level(logging.WARNING):
        metrics = split.run(split.Config(), paths)
    assert (metrics["leaking_rows"], metrics["train"], metrics["clustered_rows"]) == (2, 20, 7)
    assert caplog.messages[0].startswith("2 rows of the official train split are near-duplicates of rows of other spl")
    assert set(read_assigned(paths).values()) == set(SPLITS)


def test_split_official_leaks_that_are_dropped_are_unused(tmp_path: Path) -> None:
    paths, leaking = leaky(tmp_path)
    metrics = split.run(split.Config(official_leaks="drop", num_folds=2), paths)
    assert (metrics["leaking_rows"], metrics["train"], metrics["val"], metrics["test"]) == (2, 18, 10, 10)
    assert {row_id for row_id, name in read_assigned(paths).items() if name == "unused"} == leaking
    folds = read_assigned(paths, "fold")
    assert all((folds[row_id] == -1) == (name in {"test", "unused"}) for row_id, name in read_assigned(paths).items())


def test_split_official_whose_train_rows_all_leak_is_an_error(tmp_path: Path) -> None:
    ids = [row_id(number) for number in range(6)]
    columns = {"row_id": ids, "split": ["train", "train", "val", "val", "test", "test"]}
    paths = write_project(tmp_path, columns, near_duplicates=[ids])
    with pytest.raises(DataError, match="leave none for 'train'"):
        split.run(split.Config(official_leaks="drop"), paths)
    assert not paths.split_dir.exists()


def test_split_writes_folds_that_do_not_change_the_splits(tmp_path: Path) -> None:
    paths = project(tmp_path, many(300))
    plain = split.run(split.Config(), paths)
    before = read_assigned(paths)
    metrics = split.run(split.Config(num_folds=4), paths)
    folds = read_assigned(paths, "fold")
    assert read_assigned(paths) == before
    assert {row_id for row_id, fold in folds.items() if fold == -1} == {
        row_id for row_id, name in before.items() if name == "test"
    }
    sizes = {f"fold_{fold}": list(folds.values()).count(fold) for fold in range(4)}
    assert metrics == plain | sizes
    assert min(sizes.values()) > 0


CLUSTERS = st.lists(st.lists(st.integers(0, 119), min_size=2, max_size=5, unique=True), max_size=12)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["stratified", "random", "group", "time"]), CLUSTERS, st.data())
def test_every_row_has_one_split_and_groups_stay_together(
    strategy: str, clusters: list[list[int]], data: st.DataObject
) -> None:
    ids = [row_id(number) for number in range(120)]
    groups = data.draw(st.lists(st.none() | st.sampled_from("vwxyz"), max_size=30)) + [None] * 120
    labels = data.draw(st.lists(st.sampled_from(["a", "b", "rare"]), max_size=40)) + ["a", "b"] * 60
    columns = {"row_id": ids, "label": labels[:120], "who": [*groups[:119], "last"], "when": times(120)}
    config = split.Config(strategy=strategy, group="who", time="when")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_project(Path(folder), columns, near_duplicates=[[ids[row] for row in rows] for rows in clusters])
        metrics = split.run(config, paths)
        splits = read_assigned(paths)
    assert sorted(splits) == sorted(ids)
    assert [metrics[name] for name in SPLITS] == [list(splits.values()).count(name) for name in SPLITS]
    by_group = [[row for row in range(120) if columns["who"][row] == name] for name in "vwxyz"]
    for rows in [*clusters, *by_group]:
        assert len({splits[ids[row]] for row in rows}) <= 1


def test_groups_of_account_numbers_are_told_apart_beyond_the_digits_of_a_float(tmp_path: Path) -> None:
    accounts = [str(123456789012345678 + index) for index in range(32)]
    lines = [f"{accounts[index % 32]},{index % 7}.5,{'ab'[index % 2]}" for index in range(192)]
    (tmp_path / "x.csv").write_text("account,size,kind\n" + "\n".join(lines) + "\n")
    paths = Paths(tmp_path)
    run_stages(paths, {"ingest": {"source": "x.csv", "target": "kind"}}, ("ingest", "clean"))
    rows = read_clean_rows(paths.clean_dir, task="classification", group="account", time=None)
    assert sorted(rows.groups.sizes.tolist()) == [6] * 32
