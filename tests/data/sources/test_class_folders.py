import os
from pathlib import Path

import pytest

from headrace.data.sources.class_folders import (
    ClassFile,
    assign_labels,
    assume_splits,
    assume_wrapper,
    check_classes,
    check_lost_classes,
    find_files,
    find_wrapper,
    format_extensions,
    label_files,
    list_files,
    read_file,
)
from headrace.errors import DataError
from headrace.paths import SPLIT_ALIASES

WHERE = "params.yaml: ingest.source: 'x'"


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_find_files_sorts_matches_and_counts_the_others(tmp_path: Path) -> None:
    folder = put(tmp_path, "b/2.TXT", "a/1.txt", "a/1.csv", "b/readme", ".hidden/3.txt")
    paths, others = find_files(folder, [".txt"], noun="text", where=WHERE)
    assert paths == ["a/1.txt", "b/2.TXT"]
    assert sorted(others) == ["a/1.csv", "b/readme"]


@pytest.mark.parametrize(("names", "got"), [([], "is empty"), (["a/1.csv"], "contains no text (1 other files)")])
def test_find_files_without_a_match_is_refused(tmp_path: Path, names: list[str], got: str) -> None:
    with pytest.raises(DataError) as caught:
        find_files(put(tmp_path, *names), [".txt"], noun="text", where=WHERE)
    assert str(caught.value) == f"{WHERE}: {got}; texts end in ['.txt']; put them in one folder per class"


def test_format_extensions_lists_the_most_common() -> None:
    assert format_extensions(["1.b", "c/2.a", "3", "c.d/4"]) == "2 without extension, 1 .a, 1 .b"


def test_list_files_skips_pipes_and_cycles(tmp_path: Path) -> None:
    folder = put(tmp_path, "a/1.txt")
    os.mkfifo(folder / "a" / "2.txt")
    (folder / "a" / "up").symlink_to(folder)
    (folder / "a" / "gone.txt").symlink_to(folder / "nowhere")
    assert sorted(list_files(folder)) == ["a/1.txt", "a/gone.txt"]


def test_assign_labels_by_class_and_by_split_and_class() -> None:
    assert assign_labels(["a/1", "b/c/2", "3"], WHERE) == [
        ClassFile("a/1", "a", None), ClassFile("b/c/2", "b", None), ClassFile("3", None, None),
    ]  # fmt: skip
    assert assign_labels(["Train/a/1", "valid/b/2", "testing/3"], WHERE) == [
        ClassFile("Train/a/1", "a", "train"), ClassFile("valid/b/2", "b", "val"), ClassFile("testing/3", None, "test"),
    ]  # fmt: skip
    assert assign_labels(["test/1", "prod/2"], WHERE)[0] == ClassFile("test/1", "test", None)


@pytest.mark.parametrize("alias", [alias for alias, split in SPLIT_ALIASES.items() if split != "train"])
def test_assign_labels_accepts_every_split_alias(alias: str) -> None:
    files = assign_labels(["train/a/1", f"{alias}/b/2"], WHERE)
    assert [(file.label, file.split) for file in files] == [("a", "train"), ("b", SPLIT_ALIASES[alias])]


def test_assign_labels_of_dev_without_train_is_a_class() -> None:
    assert assign_labels(["dev/1", "prod/2"], WHERE)[0] == ClassFile("dev/1", "dev", None)


def test_assign_labels_refuses_splits_beside_classes() -> None:
    message = r"^params.yaml: ingest.source: 'x': contains \['train'\] with folders of classes, and also \['cats'\]; e"
    with pytest.raises(DataError, match=message):
        assign_labels(["train/a/1", "cats/1"], WHERE)


def test_assign_labels_takes_train_for_a_class_beside_classes() -> None:
    files = assign_labels(["bus/1", "car/2", "Train/3"], WHERE)
    assert [(file.label, file.split) for file in files] == [("bus", None), ("car", None), ("Train", None)]
    (assumption,) = assume_splits(files)
    assert assumption.is_warning
    assert "['Train'] are classes" in assumption.text


def test_assume_splits_names_the_folders() -> None:
    (assumption,) = assume_splits(assign_labels(["train/a/1", "dev/b/2"], WHERE))
    assert (assumption.text, assumption.is_warning) == ("the folders ['dev', 'train'] are official splits", False)
    assert assume_splits(assign_labels(["a/1", "b/2", "3"], WHERE)) == []


@pytest.mark.parametrize(
    ("labels", "message"),
    [([None, None], "contains 2 texts but no class folder"), (["a", None], "has only one class, 'a'")],
)
def test_check_classes_requires_two(labels: list[str | None], message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_classes([ClassFile("x", label, None) for label in labels], noun="text", where=WHERE)


@pytest.mark.parametrize(
    ("others", "is_lost"),
    [
        (["train/fox/1.xcf"], True),
        (["train/fox/1.xml", "train/fox/notes.txt"], False),  # descriptions
        (["train/cat/2.xcf"], False),  # the class has other files
        (["train/1.xcf", "1.xcf"], False),  # outside the class folders
        (["masks/fox/1.xcf"], False),  # beside the splits
    ],
)
def test_check_lost_classes_names_those_without_any_file(others: list[str], is_lost: bool) -> None:
    files = assign_labels(["train/cat/1.png", "train/dog/1.png"], WHERE)
    if not is_lost:
        check_lost_classes(files, others, [".png"], noun="image", where=WHERE)
        return
    with pytest.raises(DataError, match=r"folders \['fox'\] has the extension of an image \(1 .xcf\); images end"):
        check_lost_classes(files, others, [".png"], noun="image", where=WHERE)


def test_row_has_utf8_names_and_an_id_of_its_path() -> None:
    row = ClassFile("\udcff/1.txt", "\udcff", "val").row()
    assert (row["path"], row["label"], row["split"]) == ("\\xff/1.txt", "\\xff", "val")
    assert len(str(row["row_id"])) == 32
    assert (
        row["row_id"]
        == ClassFile("\udcff/1.txt", None, None).row()["row_id"]
        != ClassFile("2.txt", None, None).row()["row_id"]
    )


def test_read_file_of_a_broken_link_raises_one_line(tmp_path: Path) -> None:
    (tmp_path / "1.txt").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"1\.txt: cannot be read \(No such file or directory\); fix or remove it"):
        read_file(tmp_path, ClassFile("1.txt", "a", None))


@pytest.mark.parametrize(
    ("paths", "wrapper"),
    [
        (["cat/1.jpg", "dog/1.jpg"], ""),
        (["flowers/cat/1.jpg", "flowers/dog/1.jpg"], "flowers/"),
        (["a/b/cat/1.jpg", "a/b/dog/deep/1.jpg"], "a/b/"),
        (["a/train/cat/1.jpg", "a/test/cat/1.jpg"], "a/"),
        (["a/train/cat/1.jpg", "a/train/dog/1.jpg"], "a/"),
        (["train/cat/1.jpg", "train/dog/1.jpg"], ""),
        (["cat/1.jpg", "cat/2.jpg"], ""),  # one class, to be refused
        (["cat/1.jpg", "cat/small/2.jpg", "cat/large/3.jpg"], ""),
        (["a/cat/1.jpg", "a/dog/1.jpg", "1.jpg"], ""),
        ([], ""),
    ],
)
def test_folders_above_all_classes_are_skipped(paths: list[str], wrapper: str) -> None:
    assert find_wrapper(paths) == wrapper
    assert [remark.text for remark in assume_wrapper(paths)] == (
        [f"classes are the folders in {wrapper}, which is above all files"] if wrapper else []
    )


def test_labels_below_a_wrapper_are_those_of_the_classes() -> None:
    files = label_files(["a/train/cat/1.jpg", "a/test/dog/1.jpg"], WHERE)
    assert [(file.path, file.label, file.split) for file in files] == [
        ("a/train/cat/1.jpg", "cat", "train"), ("a/test/dog/1.jpg", "dog", "test"),
    ]  # fmt: skip


def test_list_files_skips_what_systems_add(tmp_path: Path) -> None:
    folder = put(
        tmp_path,
        "a/1.jpg",
        "a/Thumbs.db",
        "a/.ipynb_checkpoints/1-checkpoint.jpg",
        "__MACOSX/a/._1.jpg",
        "@eaDir/1.jpg",
    )
    assert list(list_files(folder)) == ["a/1.jpg"]
