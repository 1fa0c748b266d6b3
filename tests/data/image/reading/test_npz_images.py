import io

import numpy as np
import pytest
from PIL import Image

from headrace.data.image.reading.npz_images import has_npz_images, read_npz, read_npz_images
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import ConfigError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)
CLASSES = np.array([0, 1, 2, 0, 1, 2])


def read(path, **options):
    opened = read_npz(path, ReadOptions(source=path.name, **options))
    return opened.spec, [row for batch in opened.batches for row in batch.to_pylist()]


def test_official_splits_and_labels_of_one_column(tmp_path):
    arrays = {"train_images": PIXELS, "train_labels": CLASSES[:, None].astype(np.uint8)}
    arrays |= {
        "test_images": PIXELS[:2],
        "test_labels": CLASSES[:2],
        "val_images": PIXELS[:1],
        "val_labels": CLASSES[:1],
    }
    np.savez(tmp_path / "set.npz", **arrays)
    spec, rows = read(tmp_path / "set.npz")
    assert (spec.task, spec.format, spec.assumptions) == ("classification", "npz", [])
    assert [row["split"] for row in rows] == ["train"] * 6 + ["val"] + ["test"] * 2
    assert [row["label"] for row in rows[:6]] == ["0", "1", "2"] * 2
    assert rows[7]["source"] == "set.npz/test_images[0]"
    assert len({row["row_id"] for row in rows}) == 9


@pytest.mark.parametrize(
    "to_colour", [lambda x: np.stack([x] * 3, -1), lambda x: np.stack([x] * 3, 1), lambda x: x[..., None]]
)
def test_channels_stand_at_either_end(tmp_path, to_colour):
    np.savez(tmp_path / "set.npz", X=to_colour(PIXELS), y=CLASSES.astype(float))
    _, rows = read(tmp_path / "set.npz")
    image = np.array(Image.open(io.BytesIO(rows[3]["image"])))
    assert np.array_equal(image if image.ndim == 2 else image[..., 1], PIXELS[3])
    assert [row["label"] for row in rows] == ["0", "1", "2"] * 2


@pytest.mark.parametrize(
    ("labels", "task", "expected"),
    [
        (np.eye(3, dtype=int)[CLASSES], "classification", ["0", "1", "2", "0", "1", "2"]),
        (np.array([[1, 1], [0, 0]] * 3), "multilabel", ['["0", "1"]', "[]"] * 3),
        (np.array(["cat", "dog", "\u00e9"] * 2), "classification", ["cat", "dog", "\u00e9"] * 2),
        (np.array([b"cat", b"dog"] * 3), "classification", ["cat", "dog"] * 3),
    ],
)
def test_kinds_of_labels(tmp_path, labels, task, expected):
    np.savez(tmp_path / "set.npz", images=PIXELS, labels=labels)
    spec, rows = read(tmp_path / "set.npz")
    assert (spec.task, [row["label"] for row in rows]) == (task, expected)
    assert len(spec.assumptions) == (labels.ndim > 1)


def test_settings_of_tables_raise(tmp_path):
    np.savez(tmp_path / "set.npz", x=PIXELS, y=CLASSES)
    with pytest.raises(ConfigError, match="ingest.target"):
        read(tmp_path / "set.npz", target="y")
    with pytest.raises(ConfigError, match="ingest.task: got 'regression'; images by class are for classification"):
        read(tmp_path / "set.npz", task="regression")


def test_images_without_labels_are_for_predictions(tmp_path):
    np.savez(tmp_path / "set.npz", x=PIXELS)
    ((array, pixels),) = read_npz_images(tmp_path / "set.npz", "input")
    assert array.place == "set.npz/x"
    assert np.array_equal(pixels[..., 0], PIXELS)


def test_tables_are_no_images(tmp_path):
    np.savez(tmp_path / "table.npz", x=PIXELS[0], y=CLASSES[:5])
    np.savez(tmp_path / "set.npz", x=PIXELS, y=CLASSES)
    assert not has_npz_images(tmp_path / "table.npz", "x")
    assert has_npz_images(tmp_path / "set.npz", "x")
    assert not has_npz_images(tmp_path, "x")
    assert not has_npz_images(tmp_path / "absent", "x")
