import numpy as np
import pyarrow as pa
from PIL import Image

from headrace.evaluation.diagnosis.mistakes import rank_mistakes, write_mistakes
from headrace.storage.parquet import write_shards
from tests.text_tables import make_text_table

LOGITS = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0], [0.0, 9.0], [5.0, 0.0]])
TARGETS = np.array([0, 0, 1, 0, 0])


def test_write_mistakes_of_images_the_most_confident_first(make_subject, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)
    subject = make_subject(pixels, TARGETS, lambda _: LOGITS, modality="image", classes=["cat", "dog"])
    mistakes = write_mistakes(tmp_path, subject, 2)
    assert rank_mistakes(subject).tolist() == [3, 1, 2]
    assert [mistake["source"] for mistake in mistakes] == ["file.csv:3", "file.csv:1"]
    assert [(mistake["label"], mistake["predicted"]) for mistake in mistakes] == [("cat", "dog")] * 2
    assert mistakes[0]["confidence"] > mistakes[1]["confidence"] > 0.9
    assert mistakes[0]["picture"] == f"mistakes/{mistakes[0]['row_id']}.png"
    with Image.open(tmp_path / mistakes[0]["picture"]) as picture:
        assert (np.asarray(picture) == pixels[3, ..., 0]).all()


def test_write_mistakes_of_texts_reads_them(make_subject, tmp_path):
    ids = np.ones((5, 3), np.int32)
    subject = make_subject(ids, TARGETS, lambda _: LOGITS, modality="text", classes=["ham", "spam"])
    (tmp_path / "clean").mkdir()
    names = [row_id.decode() for row_id in subject.predictions.arrays.row_ids]
    table = pa.table({"row_id": names[::-1], "text": [f"text {row}" for row in (4, 3, 2, 1, 0)]})
    write_shards(tmp_path / "clean", table.schema, table.to_batches())
    assert [mistake["text"] for mistake in write_mistakes(tmp_path, subject, 9)] == ["text 3", "text 1", "text 2"]


def test_write_mistakes_of_values_the_largest_errors(make_subject, tmp_path):
    cells = np.array([[1.0], [2.0], [np.nan]], np.float32)
    transform = {
        "columns": [{"name": "x", "kind": "numeric", "offset": 0.0, "unit": 1.0}],
        "inputs": [{"column": "x", "kind": "numeric"}],
    }
    targets = np.array([1.0, 5.0, 2.0], np.float32)
    subject = make_subject(cells, targets, np.nan_to_num, task="regression", transform=transform)
    mistakes = write_mistakes(tmp_path, subject, 9)
    assert [(m["label"], m["predicted"], m["error"], m["cells"]) for m in mistakes] == [
        (5.0, 2.0, -3.0, {"x": "2"}), (2.0, 0.0, -2.0, {"x": "missing"}),
    ]  # fmt: skip
    assert mistakes[0]["confidence"] is None


def test_write_mistakes_of_labels_and_of_several_values(make_subject, tmp_path):
    cells = np.zeros((2, 1), np.float32)
    transform = {
        "columns": [{"name": "x", "kind": "numeric", "offset": 0.0, "unit": 1.0}],
        "inputs": [{"column": "x", "kind": "numeric"}],
        "target": {"mean": [0.0, 0.0], "std": [1.0, 2.0]},
    }
    flags = np.array([[1, 0], [1, 1]], np.float32)
    subject = make_subject(
        cells, flags, lambda _: np.array([[3.0, -3.0], [-3.0, 3.0]]), task="multilabel", transform=transform,
        classes=["comedy", "war"],
    )  # fmt: skip
    (mistake,) = write_mistakes(tmp_path, subject, 9)
    assert (mistake["label"], mistake["predicted"]) == (["comedy", "war"], ["war"])


def test_write_mistakes_of_several_targets(make_subject, tmp_path):
    transform = {
        "columns": [{"name": "x", "kind": "numeric", "offset": 0.0, "unit": 1.0}],
        "inputs": [{"column": "x", "kind": "numeric"}],
        "target": {"mean": [0.0, 0.0], "std": [1.0, 2.0]},
    }
    values = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    outputs = np.array([[1.0, 2.0], [5.0, 4.0]])
    subject = make_subject(
        np.zeros((2, 1), np.float32), values, lambda _: outputs, task="regression", transform=transform,
        targets=["a", "b"],
    )  # fmt: skip
    (mistake,) = write_mistakes(tmp_path, subject, 9)
    assert mistake["label"] == {"a": 3.0, "b": 4.0}
    assert mistake["predicted"] == {"a": 5.0, "b": 4.0}


def test_write_mistakes_of_a_model_without_any(make_subject, tmp_path):
    right = np.eye(2)[TARGETS]
    subject = make_subject(np.zeros((5, 1), np.float32), TARGETS, lambda _: right, classes=["a", "b"])
    assert write_mistakes(tmp_path, subject, 5) == []


def test_write_mistakes_of_rows_with_texts_shows_them(make_subject, tmp_path):
    table = make_text_table()
    subject = make_subject(table.inputs[:5], TARGETS, lambda _: LOGITS, classes=["a", "b"], transform=table.transform)
    cells = write_mistakes(tmp_path, subject, 1)[0]["cells"]
    row = table.clean.slice(3, 1).to_pylist()[0]
    assert (cells["title"], cells["body"], cells["colour"]) == (row["title"], row["body"], row["colour"])
