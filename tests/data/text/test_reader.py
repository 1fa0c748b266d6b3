import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.text.reader import is_text_folder, read_text_folder
from headrace.data.text.rows import text_schema
from headrace.errors import ConfigError, DataError

# the layout of IMDB's reviews by Maas et al.
IMDB = [
    "README", "imdb.vocab", "imdbEr.txt", "train/labeledBow.feat", "train/urls_pos.txt", "train/unsup/0_0.txt",
    "train/pos/0_9.txt", "train/neg/0_3.txt", "test/labeledBow.feat", "test/urls_pos.txt", "test/pos/0_10.txt",
    "test/neg/0_2.txt",
]  # fmt: skip


def put(root: Path, *names: str) -> Path:
    """Writes files that contain their own name."""
    for name in names:
        path = root / "notes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root / "notes"


def open_folder(folder: Path, **options: Any) -> Any:
    return read_text_folder(folder, ReadOptions(source=folder.name, **options))


def rows_of(folder: Path, **options: Any) -> list[dict[str, Any]]:
    return pa.Table.from_batches(open_folder(folder, **options).batches, text_schema()).to_pylist()


def test_folder_reads_texts_labels_and_paths_in_order(tmp_path: Path) -> None:
    folder = put(tmp_path, "b/2.txt", "a/10.TXT", "a/deep/1.md", "b/1.text")
    rows = rows_of(folder)
    assert [(r["path"], r["label"], r["split"]) for r in rows] == [
        ("a/10.TXT", "a", None), ("a/deep/1.md", "a", None), ("b/1.text", "b", None), ("b/2.txt", "b", None),
    ]  # fmt: skip
    assert rows[0]["text"] == "a/10.TXT"
    spec = open_folder(folder).spec
    assert (spec.modality, spec.task, spec.source, spec.format) == ("text", "classification", "notes", "text_folder")


def test_folder_row_ids_depend_only_on_the_path(tmp_path: Path) -> None:
    before = {row["path"]: row["row_id"] for row in rows_of(put(tmp_path, "a/1.txt", "b/1.txt"))}
    (tmp_path / "notes/a/1.txt").write_text("other")
    after = {row["path"]: row["row_id"] for row in rows_of(put(tmp_path, "a/0.txt", "c/1.txt"))}
    assert len(set(after.values())) == 4
    assert before.items() <= after.items()


def test_folder_of_imdb_reads_with_its_splits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = put(tmp_path, *IMDB)
    with caplog.at_level(logging.WARNING):
        rows = rows_of(folder)
    assert {(r["path"], r["label"], r["split"]) for r in rows} == {
        ("train/pos/0_9.txt", "pos", "train"), ("train/neg/0_3.txt", "neg", "train"),
        ("train/unsup/0_0.txt", None, "train"), ("test/pos/0_10.txt", "pos", "test"),
        ("test/neg/0_2.txt", "neg", "test"),
    }  # fmt: skip
    assert caplog.messages == [
        "notes: left out 4 files that are not texts (2 .feat, 1 without extension, 1 .vocab)",
        "notes: left out 3 texts outside class folders (imdbEr.txt)",
        "notes: 1 texts have no label, from folders named as one of ['unlabeled', 'unlabelled', 'unsup']",
    ]
    assert is_text_folder(folder)


@pytest.mark.parametrize(
    ("names", "is_text"),
    [
        (["a/1.txt", "b/1.md"], True),
        (["train/a/1.txt", "README.md"], True),
        (["a/1.png", "a/2.png", "a/caption.txt", "README.txt"], False),
        (["README.txt", "data.csv"], False),
        (["train/all.txt", "test/all.txt"], False),  # tables by split
        (["part-0.parquet"], False),
    ],
)
def test_is_text_folder_looks_at_the_files_of_classes(tmp_path: Path, names: list[str], is_text: bool) -> None:
    assert is_text_folder(put(tmp_path, *names)) == is_text


def test_is_text_folder_of_a_file_is_false(tmp_path: Path) -> None:
    assert not is_text_folder(put(tmp_path, "1.txt") / "1.txt")


def test_folder_line_endings_become_unix(tmp_path: Path) -> None:
    folder = put(tmp_path, "a/1.txt", "b/1.txt")
    (folder / "a/1.txt").write_bytes(b"one\r\ntwo\rthree\n")
    assert rows_of(folder)[0]["text"] == "one\ntwo\nthree\n"


def test_folder_stated_encoding_is_used(tmp_path: Path) -> None:
    folder = put(tmp_path, "a/1.txt", "b/1.txt")
    (folder / "a/1.txt").write_bytes("Ж".encode("koi8_r"))
    assert rows_of(folder, table=TableFormat(encoding="koi8_r"))[0]["text"] == "Ж"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"target": "label"}, "params.yaml: ingest.target: got 'label'; must be null for a folder of texts"),
        ({"split_column": "fold"}, "params.yaml: ingest.split_column: got 'fold'; must be null"),
        ({"task": "regression"}, "params.yaml: ingest.task: got 'regression'; a folder of texts is for classification"),
        ({"table": TableFormat(encoding="utf-9")}, "params.yaml: ingest.table.encoding: 'utf-9' is not a text"),
    ],
)
def test_folder_rejects_options_of_tables(tmp_path: Path, options: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match="^" + line):
        open_folder(put(tmp_path, "a/1.txt", "b/1.txt"), **options)


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["a/1.png"], r"'notes': contains no text \(1 other files\); texts end in \['.md', '.text', '.txt'\]; put"),
        (["1.txt", "2.txt"], "'notes': contains 2 texts but no class folder; move each into the folder of its class"),
        (["a/1.txt", "unsup/1.txt"], "'notes': has only one class, 'a'; at least two are needed; add the folder"),
        (
            ["train/a/1.txt", "cats/1.txt"],
            r"'notes': contains \['train'\] with folders of classes, and also \['cats'\]; either",
        ),
    ],
)
def test_unusable_folder_raises_one_line(tmp_path: Path, names: list[str], line: str) -> None:
    with pytest.raises(DataError, match="^params.yaml: ingest.source: " + line) as raised:
        open_folder(put(tmp_path, *names))
    assert "\n" not in str(raised.value)
