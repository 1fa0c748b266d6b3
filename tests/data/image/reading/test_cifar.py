"""CIFAR as published: both versions of both sets come out as the same rows."""

import numpy as np
import pyarrow as pa
import pytest

from headrace.data.image.decode import decode
from headrace.data.image.reading.cifar import is_cifar_folder, read_cifar
from headrace.data.image.reading.rows import RAW_SCHEMA
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import ConfigError, DataError
from tests import published


def rows_of(folder):
    opened = read_cifar(folder, ReadOptions(source=folder.name))
    assert opened.schema == RAW_SCHEMA
    return pa.Table.from_batches(opened.batches, RAW_SCHEMA).to_pylist()


def test_cifar10_binary_is_read_as_published(tmp_path):
    rows = rows_of(published.write_cifar10_binary(tmp_path / "ten", sizes=(1100, 20), test_rows=10))
    assert [row["split"] for row in rows] == ["train"] * 1120 + ["test"] * 10
    pixels, labels = published.photos(1100, 0)
    assert [row["label"] for row in rows[:1100]] == [published.TEN[label] for label in labels]
    image = decode(rows[7]["image"])
    assert image.shape == (32, 32, 3)
    assert image[0, 5, 0] == pixels[7, 5]  # red comes first, row by row
    assert image[1, 5, 1] == pixels[7, 1024 + 32 + 5]
    assert image[31, 31, 2] == pixels[7, -1]
    assert len({row["row_id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_cifar10_python_version_gives_the_same_rows(tmp_path, protocol):
    binary = rows_of(published.write_cifar10_binary(tmp_path / "binary"))
    assert rows_of(published.write_cifar10_python(tmp_path / "python", protocol=protocol)) == binary
    assert len(binary) == 60


def test_cifar100_has_its_fine_labels_in_both_versions(tmp_path):
    binary = rows_of(published.write_cifar100_binary(tmp_path / "binary"))
    assert rows_of(published.write_cifar100_python(tmp_path / "python")) == binary
    _, labels = published.photos(20, len("train"), 100)
    assert [row["label"] for row in binary[:20]] == [f"kind_{label:02d}" for label in labels]
    assert [row["split"] for row in binary] == ["train"] * 20 + ["test"] * 10


def test_row_ids_do_not_depend_on_the_place_and_repeats_are_counted(tmp_path):
    folder = published.write_cifar10_binary(tmp_path / "one", sizes=(30,))
    before = {row["row_id"] for row in rows_of(folder)}
    data = (folder / "data_batch_1.bin").read_bytes()
    (folder / "data_batch_1.bin").write_bytes(data[-3073:] + data[:-3073] + data[:3073])
    after = [row["row_id"] for row in rows_of(folder)]
    assert len(set(after)) == len(after) == len(before) + 1
    assert before < set(after)


def test_spec_and_options(tmp_path):
    folder = published.write_cifar10_binary(tmp_path / "ten")
    spec = read_cifar(folder, ReadOptions(source="ten")).spec
    assert (spec.modality, spec.task, spec.format, spec.source) == ("image", "classification", "cifar", "ten")
    with pytest.raises(ConfigError, match=r"ingest\.target: got 'label'; must be null for images"):
        read_cifar(folder, ReadOptions(target="label"))


def test_a_folder_is_known_by_its_files(tmp_path):
    makers = [published.write_cifar10_binary, published.write_cifar10_python]
    makers += [published.write_cifar100_binary, published.write_cifar100_python]
    for index, write in enumerate(makers):
        assert is_cifar_folder(write(tmp_path / str(index)))
    assert not is_cifar_folder(tmp_path)
    assert not is_cifar_folder(tmp_path / "0" / "batches.meta.txt")
    (tmp_path / "classes" / "train").mkdir(parents=True)
    (tmp_path / "classes" / "test").mkdir()
    (tmp_path / "classes" / "meta").touch()
    assert not is_cifar_folder(tmp_path / "classes")
    with pytest.raises(DataError, match=r"^params.yaml: ingest.source: 'classes': holds no CIFAR; "):
        rows_of(tmp_path / "classes")


def test_labels_may_be_an_array(tmp_path):
    import pickle

    folder = published.write_cifar10_python(tmp_path / "ten", sizes=(), test_rows=4)
    values = {"data": np.zeros((2, 3072), np.uint8), "labels": np.array([3, 9])}
    (folder / "test_batch").write_bytes(pickle.dumps(values))
    assert [row["label"] for row in rows_of(folder)] == ["cat", "truck"]
