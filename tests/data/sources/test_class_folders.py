import os
from collections import Counter
from pathlib import Path

import pytest

from headrace.data.sources.class_folders import File, check_classes, find_files, list_files, place, read_bytes, tell
from headrace.errors import DataError

WHERE = "params.yaml: ingest.source: 'x'"


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_find_files_sorts_those_wanted_and_counts_the_others(tmp_path: Path) -> None:
    folder = put(tmp_path, "b/2.TXT", "a/1.txt", "a/1.csv", "b/readme", ".hidden/3.txt")
    paths, others = find_files(folder, [".txt"], noun="text", where=WHERE)
    assert paths == ["a/1.txt", "b/2.TXT"]
    assert others == {".csv": 1, "": 1}


@pytest.mark.parametrize(("names", "got"), [([], "is empty"), (["a/1.csv"], "holds no text (1 other files)")])
def test_find_files_none_is_told(tmp_path: Path, names: list[str], got: str) -> None:
    with pytest.raises(DataError) as told:
        find_files(put(tmp_path, *names), [".txt"], noun="text", where=WHERE)
    assert str(told.value) == f"{WHERE}: {got}; texts end in ['.txt']; put them in one folder a class"


def test_tell_names_the_commonest() -> None:
    assert tell(Counter({".b": 1, ".a": 1, "": 2})) == "2 without extension, 1 .a, 1 .b"


def test_walk_leaves_out_pipes_and_goes_round_no_circle(tmp_path: Path) -> None:
    folder = put(tmp_path, "a/1.txt")
    os.mkfifo(folder / "a" / "2.txt")
    (folder / "a" / "up").symlink_to(folder)
    (folder / "a" / "gone.txt").symlink_to(folder / "nowhere")
    assert sorted(list_files(folder)) == ["a/1.txt", "a/gone.txt"]


def test_place_by_class_and_by_split_and_class() -> None:
    assert place(["a/1", "b/c/2", "3"], WHERE) == [
        File("a/1", "a", None), File("b/c/2", "b", None), File("3", None, None),
    ]  # fmt: skip
    assert place(["Train/a/1", "valid/b/2", "testing/3"], WHERE) == [
        File("Train/a/1", "a", "train"), File("valid/b/2", "b", "val"), File("testing/3", None, "test"),
    ]  # fmt: skip
    assert place(["test/1", "prod/2"], WHERE)[0] == File("test/1", "test", None)


def test_place_split_beside_class_is_told() -> None:
    with pytest.raises(
        DataError, match=r"^params.yaml: ingest.source: 'x': holds \['train'\] beside \['cats'\]; either "
    ):
        place(["train/a/1", "cats/1"], WHERE)


@pytest.mark.parametrize(
    ("labels", "told"),
    [([None, None], "holds 2 texts but no class's folder"), (["a", None], "has only one class, 'a'")],
)
def test_check_classes_wants_two(labels: list[str | None], told: str) -> None:
    with pytest.raises(DataError, match=told):
        check_classes([File("x", label, None) for label in labels], noun="text", where=WHERE)


def test_row_has_its_names_as_utf8_and_an_id_of_its_path() -> None:
    row = File("\udcff/1.txt", "\udcff", "val").row()
    assert (row["path"], row["label"], row["split"]) == ("\\xff/1.txt", "\\xff", "val")
    assert len(str(row["row_id"])) == 32
    assert (
        row["row_id"] == File("\udcff/1.txt", None, None).row()["row_id"] != File("2.txt", None, None).row()["row_id"]
    )


def test_read_bytes_of_a_broken_link_is_told(tmp_path: Path) -> None:
    (tmp_path / "1.txt").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"1\.txt: cannot be read \(No such file or directory\); mend or remove it"):
        read_bytes(tmp_path, File("1.txt", "a", None))
