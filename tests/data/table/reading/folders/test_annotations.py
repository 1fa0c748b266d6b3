"""COCO and Label Studio exports as labels of whole images and texts."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from headrace.contracts import Spec
from headrace.data.readers import READERS, choose_reader
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.folders.annotations import is_annotations, open_annotations
from headrace.errors import DataError

PNG = b"\x89PNG\r\n\x1a\n"
NAMES = [f"{number:03}.png" for number in range(30)]


def make_coco(num_boxes: int) -> dict[str, Any]:
    return {
        "info": {"year": 2024},
        "images": [{"id": index + 5, "file_name": name, "width": 4} for index, name in enumerate(NAMES)],
        "annotations": [
            {"id": index, "image_id": index % 30 + 5, "category_id": (1, 90)[index // 7 % 2], "bbox": [0, 0, 1, 1]}
            for index in range(num_boxes)
        ],
        "categories": [{"id": 90, "name": "dog"}, {"id": 1, "name": "cat"}],
    }


def make_task(data: dict[str, Any], *choices: str, kind: str = "choices", **more: Any) -> dict[str, Any]:
    result = [{"type": kind, "from_name": "x", "value": {kind: list(choices), "x": 1}}, {"type": "relation"}]
    return {"id": 1, "data": data, "annotations": [{"was_cancelled": True, "result": []}, {"result": result}], **more}


def read(folder: Path) -> tuple[Spec, list[dict[str, Any]]]:
    opened = READERS[choose_reader("auto", "x", folder)](folder, ReadOptions(source="x"))
    return opened.spec, pa.Table.from_batches(list(opened.batches), opened.schema).to_pylist()


def write(folder: Path, content: object, name: str = "labels.json", images: str = "images") -> Path:
    for each in NAMES if images else []:
        (folder / images).mkdir(exist_ok=True)
        (folder / images / each).write_bytes(PNG)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(("name", "images"), [("a.json", "images"), ("annotations/instances.json", "train2017")])
def test_an_image_has_the_categories_of_its_boxes(tmp_path: Path, name: str, images: str) -> None:
    spec, rows = read(write(tmp_path, make_coco(58), name, images))
    assert (spec.modality, spec.task, spec.target) == ("image", "multilabel", "label")
    assert {row["label"] for row in rows} >= {'["cat"]', '["cat", "dog"]'}
    assert all(row["image"] == PNG for row in rows)
    assert "the last annotation" in str(spec.assumptions)


def test_images_of_one_category_each_have_one_class(tmp_path: Path) -> None:
    spec, rows = read(write(tmp_path, make_coco(30)))
    assert (spec.task, {row["label"] for row in rows}) == ("classification", {"cat", "dog"})


@pytest.mark.parametrize("place", ["/data/upload/7/abcdef12-{}", "/data/local-files/?d=shared/{}", "{}", "abcdef12-{}"])
@pytest.mark.parametrize("kind", ["choices", "rectanglelabels"])
def test_label_studio_images_are_found_by_their_names(tmp_path: Path, place: str, kind: str) -> None:
    tasks = [
        make_task({"image": place.format(name), "meta": {"a": 1}}, "cat" if index % 3 else "dog", kind=kind)
        for index, name in enumerate(NAMES)
    ]
    spec, rows = read(write(tmp_path, tasks))
    assert (spec.modality, spec.task) == ("image", "classification")
    assert [(row["path"], row["label"]) for row in rows[:2]] == [("images/000.png", "dog"), ("images/001.png", "cat")]
    assert all(row["image"] == PNG for row in rows)


def test_label_studio_texts_and_tasks_without_annotation(tmp_path: Path) -> None:
    tasks = [
        make_task(
            {"text": f"the film number {index} is about cats and dogs", "year": 1990}, "good" if index % 2 else "bad"
        )
        for index in range(60)
    ]
    tasks[0]["annotations"] = []
    write(tmp_path, tasks, images="")
    opened = open_annotations(tmp_path / "labels.json", ReadOptions(), None)
    assert opened.names == ["text", "year", "label"]
    labels = [cell for rows in opened.batches for cell in rows.cells["label"].to_pylist()]
    assert labels[:3] == [None, "good", "bad"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps(make_coco(1)), True), (json.dumps([make_task({}, "a")], indent=1), True),
        ('{"images": 1, "label": 2}\n', False), ('[{"text": "a", "label": "b"}]', False), ("", False), ("[", False),
    ],
)  # fmt: skip
def test_other_json_is_left_to_others(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "a.json").write_text(text)
    assert is_annotations(tmp_path / "a.json") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [], "annotations": [], "categories": []}', "has no images or tasks"),
        (
            '{"images": [{"id": 1}], "annotations": [], "categories": []}',
            r"not their structure \(KeyError: 'file_name'\)",
        ),
        (
            '{"images": [], "annotations": [{"image_id": 1, "category_id": 3}], "categories": []}',
            r"structure \(KeyError: 3",
        ),
        ('[{"data": 1, "annotations": [{"result": 2}]}]', r"structure \(AttributeError"),
        ('[{"data": {}, "annotations": [{"result"', "invalid JSON"),
        ("[" * 100_000, "invalid JSON"),
    ],
)
def test_damaged_exports_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        open_annotations(tmp_path / "a.json", ReadOptions(), None)
    assert "\n" not in str(caught.value)
