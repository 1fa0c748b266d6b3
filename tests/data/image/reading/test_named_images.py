"""Tables whose columns name the images of their folder."""

import hashlib
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import OpenedSource
from headrace.data.image.reading.named_images import ImageNames, may_hold_named_images, resolve_names
from headrace.data.readers import READERS, choose_reader
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import DataError
from tests.projects import png

NAMES = [f"{number:03x}" for number in range(40)]


def write(folder: Path, images: list[str], table: str = "labels.csv", cell: str = "{}") -> Path:
    for index, name in enumerate(images):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(np.full((4, 4), index, np.uint8)))
    rows = [f"{cell.format(name)},{'ab'[index % 2]},{index % 7}" for index, name in enumerate(NAMES)]
    (folder / table).parent.mkdir(exist_ok=True)
    (folder / table).write_text("\n".join(["id,breed,age", *rows]))
    return folder


def read(folder: Path, **options: object) -> tuple[OpenedSource, list[dict[str, object]], list[str]]:
    settings = ReadOptions(source="dogs", target="breed", **options)
    opened = READERS[choose_reader("auto", "dogs", folder)](folder, settings)
    rows = pa.Table.from_batches(list(opened.batches), opened.schema).to_pylist()
    spec = opened.finish(folder, opened.spec) if opened.finish else opened.spec
    return opened, rows, [remark.text for remark in spec.assumptions if remark.subject == "images"]


def test_the_table_may_be_in_a_folder_of_its_own(tmp_path: Path) -> None:
    _, rows, texts = read(write(tmp_path, [f"images/{name}.png" for name in NAMES], "meta/labels.csv"))
    assert rows[0]["path"] == "../images/000.png"
    assert all(row["image"] for row in rows)
    assert len(texts) == 1


@pytest.mark.parametrize("cell", ["{}", "{}.png", "images/{}.png"])
def test_ids_name_images_with_or_without_extension_and_folder(tmp_path: Path, cell: str) -> None:
    opened, rows, texts = read(write(tmp_path, [f"images/{name}.png" for name in NAMES], cell=cell))
    assert (opened.spec.modality, opened.spec.input_column) == ("image", "id")
    assert [column.name for column in opened.spec.columns] == ["age"]
    assert [(row["path"], row["label"], row["age"]) for row in rows[:2]] == [
        ("images/000.png", "a", "0"), ("images/001.png", "b", "1"),
    ]  # fmt: skip
    assert all(row["image"] == (tmp_path / str(row["path"])).read_bytes() for row in rows)
    assert len(texts) == (0 if "/" in cell else 1)


def test_ids_of_letters_name_images_although_they_look_like_words(tmp_path: Path) -> None:
    names = [hashlib.md5(name.encode(), usedforsecurity=False).hexdigest() for name in NAMES]
    folder = write(tmp_path, [f"train/{name}.png" for name in names])
    (folder / "labels.csv").write_text(
        "\n".join(["id,breed", *(f"{name},{'ab'[index % 2]}" for index, name in enumerate(names))])
    )
    (folder / "sample_submission.csv").write_text("id,a,b\nffff,0.5,0.5\n")
    opened, rows, _ = read(folder)
    assert (opened.spec.modality, opened.spec.input_column, opened.spec.columns) == ("image", "id", [])
    assert all(row["image"] == (tmp_path / str(row["path"])).read_bytes() for row in rows)


def test_rows_and_images_without_each_other_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = [f"train/{name}.png" for name in [*NAMES[:35], "x", "y"]]
    images += [f"test/{name}.png" for name in NAMES[30:]]
    with caplog.at_level(logging.WARNING):
        _, rows, texts = read(write(tmp_path, images, table="train.csv"))
    assert [row["path"] for row in rows if not row["image"]] == NAMES[35:]
    assert "column 'id': 5 of 40 images cannot be loaded" in caplog.text
    assert texts == [
        "the image of a row is the file that its column 'id' names: 000 is train/000.png",
        f"2 of 37 images are named by no row, such as {texts[-1].rpartition(' ')[2]}",
    ]
    assert texts[-1].endswith(("train/x.png", "train/y.png"))


def test_a_name_of_two_images_is_refused(tmp_path: Path) -> None:
    images = [f"{folder}/{name}.png" for name in NAMES for folder in ("images_1", "images_2")]
    with pytest.raises(DataError, match=r"'000' is the name of 2 images, images_\d/000.png and images_"):
        read(write(tmp_path, images))


def test_images_that_no_column_names_are_reported(tmp_path: Path) -> None:
    opened, _, texts = read(write(tmp_path, [f"images/other{name}.png" for name in NAMES]))
    assert opened.spec.modality == "table"
    assert texts[0].startswith("no column names the 40 images, such as images/other")
    assert not read(write(tmp_path / "few", ["plot.png"]))[2]


@pytest.mark.parametrize("images", ["", "images/"])
def test_a_table_alone_that_names_images_beside_it_is_reported(tmp_path: Path, images: str) -> None:
    folder = write(tmp_path, [f"{images}{name}.png" for name in NAMES])
    opened, _, texts = read(folder / "labels.csv", columns={"id": "categorical"})
    assert opened.spec.modality == "table"
    assert texts == ["column 'id' names images beside labels.csv, which are not learned from"]
    assert len(list(read(folder / "labels.csv")[1])) == len(NAMES)


def test_numbers_that_happen_to_be_names_are_none(tmp_path: Path) -> None:
    """Column `age` has values 0 to 6."""
    opened, _, _ = read(write(tmp_path, [f"images/{number}.png" for number in range(7)]))
    assert opened.spec.modality == "table"


def test_an_ignored_column_names_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path, [f"images/{name}.png" for name in NAMES])
    assert read(folder, columns={"id": "ignore"})[0].spec.modality == "table"


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["train", "test"], True), (["train_images", "test_images"], True), (["a/images", "b/img"], True),
        (["cat", "dog"], False), (["train/cat", "train/dog"], False), (["latest", "trainer"], False), (["x"], True),
    ],
)  # fmt: skip
def test_folders_of_classes_are_told_from_folders_of_images(folders: list[str], expected: bool) -> None:
    assert may_hold_named_images(Path("x"), {Path("x", folder) for folder in folders}) == expected


def test_names_are_resolved_but_paths_and_urls_are_not(tmp_path: Path) -> None:
    for name in ("a/x.png", "b/y.png", "z"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    cells = ["x", "y.png", "b/y.png", "z", "gone", None, "https://example.org/x"]
    images = ImageNames(tmp_path, "test.csv")
    resolved = resolve_names(cells, tmp_path, lambda: images)
    assert resolved == ["a/x.png", "b/y.png", "b/y.png", "z", "gone", None, "https://example.org/x"]
