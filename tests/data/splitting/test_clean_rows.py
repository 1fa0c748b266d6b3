import re

import numpy as np
import pyarrow as pa
import pytest

from headrace.data.splitting.clean_rows import NO_LABEL, CleanRows, pick_rarest_label, read_clean_rows
from headrace.errors import ConfigError, DataError
from tests.data.splitting.conftest import row_id, write_project

IDS = [row_id(number) for number in range(40)]


def read(root, columns, **options) -> CleanRows:
    near_duplicates = options.pop("near_duplicates", ())
    task = options.get("task", "classification")
    paths = write_project(root, columns, task=task, near_duplicates=near_duplicates)
    return read_clean_rows(paths.clean_dir, **{"task": task, "group": None, "time": None, **options})


def list_groups(rows: CleanRows) -> set[frozenset[str]]:
    """The row ids of each group of more than one row."""
    ids = rows.row_ids.astype(str)
    groups = (frozenset(ids[rows.groups.group_of_row == group].tolist()) for group in range(len(rows.groups.sizes)))
    return {group for group in groups if len(group) > 1}


def test_rows_are_sorted_by_id_with_their_columns(tmp_path):
    labels = [f"class{number % 3}" for number in range(40)]
    splits = [["train", "val", "test", None][number % 4] for number in range(40)]
    rows = read(tmp_path, {"row_id": IDS, "label": labels, "split": splits})
    assert rows.row_ids.astype(str).tolist() == sorted(IDS)
    assert rows.classes == ["class0", "class1", "class2"]
    for position, member in enumerate(rows.row_ids.astype(str)):
        number = IDS.index(member)
        assert rows.classes[rows.codes[position]] == labels[number]
        assert rows.official[position] == [0, 1, 2, -1][number % 4]
    assert rows.groups.is_single.all()


def test_regression_has_no_classes(tmp_path):
    rows = read(tmp_path, {"row_id": IDS, "label": [str(n) for n in range(40)]}, task="regression")
    assert rows.classes == []
    assert not rows.codes.any()
    assert (rows.official == -1).all()


def test_no_clean_rows(tmp_path):
    rows = read(
        tmp_path, {"row_id": np.array([], str), "label": np.array([], str), "who": np.array([], str)}, group="who"
    )
    assert len(rows) == 0
    assert rows.groups.keys == []


@pytest.mark.parametrize(
    "groups",
    [
        ["p1", "p2", None, "p1", "", "p2 ", "  ", "p3"],
        [1.0, 2.0, None, 1.0, None, 2.0, None, 3.0],
        [
            np.datetime64("2024-01-01", "us"),
            np.datetime64("2024-01-02", "us"),
            None,
            np.datetime64("2024-01-01", "us"),
            None,
            np.datetime64("2024-01-02", "us"),
            None,
            None,
        ],
    ],
)
def test_rows_of_a_group_stay_together_and_rows_without_one_are_single(tmp_path, groups):
    rows = read(tmp_path, {"row_id": IDS[:8], "who": groups}, group="who")
    assert list_groups(rows) == {frozenset([IDS[0], IDS[3]]), frozenset([IDS[1], IDS[5]])}


def test_near_duplicates_join_groups_and_unknown_rows_are_ignored(tmp_path):
    near_duplicates = [[IDS[0], IDS[1]], [IDS[4], "f" * 32], [IDS[5], IDS[6]]]
    rows = read(
        tmp_path,
        {"row_id": IDS[:8], "who": ["p1", "p2", "p1", "p2", None, None, None, None]},
        group="who",
        near_duplicates=near_duplicates,
    )
    assert list_groups(rows) == {frozenset(IDS[:4]), frozenset(IDS[5:7])}


def test_without_a_file_of_near_duplicates_rows_are_single(tmp_path):
    paths = write_project(tmp_path, {"row_id": IDS}, near_duplicates=[IDS[:2]])
    (paths.clean_dir / "groups.parquet").unlink()
    assert read_clean_rows(paths.clean_dir, task="classification", group=None, time=None).groups.is_single.all()


@pytest.mark.parametrize("key", ["group", "time"])
@pytest.mark.parametrize("name", ["patinet", "row_id", "split", "original"])
def test_column_that_cannot_be_used_raises(tmp_path, key, name):
    message = re.escape(
        f"params.yaml: split.{key}: {name!r} is not a column of the rows; choose one of ['label', 'patient']"
    )
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, {"row_id": IDS, "patient": IDS, "original": IDS}, **{key: name})


@pytest.mark.parametrize("content", [b"", b"PAR1 no_Parquet PAR1", b"\0" * 100])
def test_damaged_file_of_near_duplicates_raises(tmp_path, content):
    paths = write_project(tmp_path, {"row_id": IDS})
    (paths.clean_dir / "groups.parquet").write_bytes(content)
    with pytest.raises(
        DataError, match=r"groups.parquet: not a valid Parquet file of near-duplicates \(.*\); run: dvc repro"
    ) as error:
        read_clean_rows(paths.clean_dir, task="classification", group=None, time=None)
    assert "\n" not in str(error.value)


def test_rarest_label_is_picked_then_the_first_in_the_alphabet():
    labels = ['["a", "b"]', '["a"]', '["a", "c"]', "[]", '["b", "c"]']  # a: 3, b: 2, c: 2
    assert pick_rarest_label(pa.chunked_array([labels[:2], labels[2:]])).to_pylist() == ["b", "a", "c", NO_LABEL, "b"]
