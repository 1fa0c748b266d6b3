import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.data.image.reading.image_folder import read_folder
from headrace.data.image.reading.rows import RAW_SCHEMA
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import ConfigError, DataError


def read_batches(folder: Path) -> Iterator[pa.RecordBatch]:
    return read_folder(folder, ReadOptions(source=folder.name)).batches


def rows_of(folder: Path) -> list[dict[str, object]]:
    return pa.Table.from_batches(read_batches(folder), RAW_SCHEMA).to_pylist()


def put(root: Path, *names: str) -> Path:
    """Writes files that contain their own name; the reader does not decode them."""
    for name in names:
        path = root / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root / "photos"


def test_folder_reads_bytes_labels_and_paths_in_order(tmp_path: Path) -> None:
    rows = rows_of(put(tmp_path, "b/2.png", "a/10.JPG", "a/deep/1.jpeg", "b/1.bmp"))
    assert [(r["path"], r["label"], r["split"]) for r in rows] == [
        ("a/10.JPG", "a", None), ("a/deep/1.jpeg", "a", None), ("b/1.bmp", "b", None), ("b/2.png", "b", None),
    ]  # fmt: skip
    assert rows[0]["image"] == b"a/10.JPG"


def test_folder_spec_is_set(tmp_path: Path) -> None:
    opened = read_folder(put(tmp_path, "a/1.png", "b/1.png"), ReadOptions(source="photos"))
    assert opened.schema == RAW_SCHEMA
    spec = opened.spec
    assert (spec.modality, spec.task, spec.format, spec.source) == ("image", "classification", "folder", "photos")


def test_folder_with_a_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ingest\.target: got 'species'; must be null for images, whose class is"):
        read_folder(put(tmp_path, "a/1.png", "b/1.png"), ReadOptions(target="species"))


def test_folder_row_ids_depend_only_on_the_path(tmp_path: Path) -> None:
    before = {row["path"]: row["row_id"] for row in rows_of(put(tmp_path, "a/1.png", "b/1.png"))}
    (tmp_path / "photos/a/1.png").write_bytes(b"other")
    after = {row["path"]: row["row_id"] for row in rows_of(put(tmp_path, "a/0.png", "c/1.png"))}
    assert all(len(str(row_id)) == 32 for row_id in after.values())
    assert len(set(after.values())) == 4
    assert before.items() <= after.items()


@pytest.mark.parametrize(("train", "val", "test"), [("train", "valid", "test"), ("Training", "validation", "testing")])
def test_folder_official_splits_are_recognised(tmp_path: Path, train: str, val: str, test: str) -> None:
    rows = rows_of(put(tmp_path, f"{train}/a/1.png", f"{train}/b/1.png", f"{val}/a/1.png", f"{test}/b/1.png"))
    assert {(r["split"], r["label"]) for r in rows} == {("train", "a"), ("train", "b"), ("val", "a"), ("test", "b")}


def test_folder_named_test_is_a_class_without_a_folder_named_train(tmp_path: Path) -> None:
    rows = rows_of(put(tmp_path, "test/1.png", "prod/1.png"))
    assert [(r["label"], r["split"]) for r in rows] == [("prod", None), ("test", None)]


def test_folder_loose_image_has_no_label(tmp_path: Path) -> None:
    assert [r["label"] for r in rows_of(put(tmp_path, "a/1.png", "b/1.png", "loose.png"))] == ["a", "b", None]


def test_folder_hidden_files_are_ignored_and_others_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = put(tmp_path, "a/1.png", "b/1.png", "a/.DS_Store", ".git/x.png", "a/notes.txt", "b/list.csv", "b/more.txt")
    with caplog.at_level(logging.WARNING):
        assert len(rows_of(folder)) == 2
    assert caplog.messages == ["photos: left out 3 files that are not images (2 .txt, 1 .csv)"]


def test_folder_reads_usual_extensions_of_every_format(tmp_path: Path) -> None:
    folder = put(tmp_path, "cat/1.jpg", "bird/1.jfif", "bird/2.JPE", "fox/1.avif", "owl/1.jp2", "owl/2.heic")
    assert [r["label"] for r in rows_of(folder)] == ["bird", "bird", "cat", "fox", "owl", "owl"]


def test_folder_whose_class_loses_all_files_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path, "cat/1.jpg", "dog/1.png", "bird/1.xcf", "bird/2.XCF", "about/list.csv", "dog/2.psd")
    message = r"no file in the class folders \['bird'\] has the extension of an image \(2 .xcf\); images end in"
    with pytest.raises(DataError, match="^params.yaml: ingest.source: 'photos': " + message):
        rows_of(folder)


def test_folder_of_heic_without_the_extra_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DataError, match=r"contains photos in HEIC; .*pip install 'headrace\[heic\]'$"):
        rows_of(put(tmp_path, "a/1.png", "b/1.HEIC"))


def test_folder_links_are_followed_once(tmp_path: Path) -> None:
    folder = put(tmp_path, "a/1.png", "b/1.png")
    (folder / "c").symlink_to(folder / "a")
    (folder / "a" / "up").symlink_to(folder)
    assert {"a/1.png", "b/1.png", "c/1.png"} <= {str(r["path"]) for r in rows_of(folder)}


def test_folder_name_that_is_not_utf8_is_escaped(tmp_path: Path) -> None:
    folder = put(tmp_path, "a/1.png", "b/1.png")
    (folder / "b" / "\udcff.png").write_bytes(b"")
    assert rows_of(folder)[-1]["path"] == "b/\\xff.png"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/notes.txt"], r"'photos': contains no image \(1 other files\); images end in \['.apng', .*; put them in"),
        (["1.png", "2.png"], "'photos': contains 2 images but no class folder; move each into the folder of"),
        (["a/1.png", "a/2.png"], "'photos': has only one class, 'a'; at least two are needed; add the folder of"),
        (
            ["train/a/1.png", "cats/1.png"],
            r"'photos': contains \['train'\] with folders of classes, and also \['cats'\]; either",
        ),
    ],
)
def test_folder_without_two_classes_is_refused_in_one_line(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(DataError, match="^params.yaml: ingest.source: " + message) as caught:
        rows_of(put(tmp_path, *names))
    assert "\n" not in str(caught.value)


def test_folder_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match="'photos': is empty; images end in"):
        rows_of(tmp_path / "photos")


def test_folder_broken_link_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path, "a/1.png", "b/1.png")
    (folder / "b" / "2.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"b/2\.png: cannot be read \(No such file or directory\); fix or remove it"):
        rows_of(folder)
