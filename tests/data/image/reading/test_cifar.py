import pyarrow as pa
import pytest

from headrace.data.image.decode import decode_image
from headrace.data.image.reading.cifar import is_cifar_folder, read_cifar
from headrace.data.image.reading.rows import RAW_SCHEMA
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import ConfigError, DataError
from tests import published


def rows_of(folder):
    opened = read_cifar(folder, ReadOptions(source=folder.name))
    assert opened.schema == RAW_SCHEMA
    return pa.Table.from_batches(opened.batches, RAW_SCHEMA).to_pylist()


def without_source(rows):
    """The binary version has other file names."""
    return [{name: value for name, value in row.items() if name != "source"} for row in rows]


def test_cifar10_binary_gives_pixels_labels_and_splits(tmp_path):
    rows = rows_of(published.write_cifar10_binary(tmp_path / "ten", sizes=(1100, 20), test_rows=10))
    assert [row["split"] for row in rows] == ["train"] * 1120 + ["test"] * 10
    pixels, labels = published.photos(1100, 0)
    assert [row["label"] for row in rows[:1100]] == [published.TEN[label] for label in labels]
    image = decode_image(rows[7]["image"])
    assert image.shape == (32, 32, 3)
    assert image[0, 5, 0] == pixels[7, 5]  # red comes first, row by row
    assert image[1, 5, 1] == pixels[7, 1024 + 32 + 5]
    assert image[31, 31, 2] == pixels[7, -1]
    assert len({row["row_id"] for row in rows}) == len(rows)


def test_cifar10_python_version_gives_the_same_rows(tmp_path):
    binary = rows_of(published.write_cifar10_binary(tmp_path / "binary"))
    rows = rows_of(published.write_cifar10_python(tmp_path / "python"))
    assert without_source(rows) == without_source(binary)
    assert [rows[0]["source"], rows[1]["source"]] == ["data_batch_1[0]", "data_batch_1[1]"]
    assert binary[1]["source"] == "data_batch_1.bin[1]"
    assert len(binary) == 60


def test_cifar100_has_fine_labels_in_both_versions(tmp_path):
    binary = rows_of(published.write_cifar100_binary(tmp_path / "binary"))
    assert without_source(rows_of(published.write_cifar100_python(tmp_path / "python"))) == without_source(binary)
    _, labels = published.photos(20, len("train"), 100)
    assert [row["label"] for row in binary[:20]] == [f"kind_{label:02d}" for label in labels]
    assert [row["split"] for row in binary] == ["train"] * 20 + ["test"] * 10


def test_row_ids_do_not_depend_on_the_position_and_repeats_are_numbered(tmp_path):
    folder = published.write_cifar10_binary(tmp_path / "one", sizes=(30,))
    before = {row["row_id"] for row in rows_of(folder)}
    data = (folder / "data_batch_1.bin").read_bytes()
    (folder / "data_batch_1.bin").write_bytes(data[-3073:] + data[:-3073] + data[:3073])
    after = [row["row_id"] for row in rows_of(folder)]
    assert len(set(after)) == len(after) == len(before) + 1
    assert before < set(after)


def test_spec_is_set_and_a_target_is_refused(tmp_path):
    folder = published.write_cifar10_binary(tmp_path / "ten")
    spec = read_cifar(folder, ReadOptions(source="ten")).spec
    assert (spec.modality, spec.task, spec.format, spec.source) == ("image", "classification", "cifar", "ten")
    with pytest.raises(ConfigError, match=r"ingest\.target: got 'label'; must be null for images"):
        read_cifar(folder, ReadOptions(target="label"))


def test_folder_is_recognised_by_its_files(tmp_path):
    writers = [published.write_cifar10_binary, published.write_cifar10_python]
    writers += [published.write_cifar100_binary, published.write_cifar100_python]
    for index, write in enumerate(writers):
        assert is_cifar_folder(write(tmp_path / str(index)))
    assert not is_cifar_folder(tmp_path)
    assert not is_cifar_folder(tmp_path / "0" / "batches.meta.txt")
    (tmp_path / "classes" / "train").mkdir(parents=True)
    (tmp_path / "classes" / "test").mkdir()
    (tmp_path / "classes" / "meta").touch()
    assert not is_cifar_folder(tmp_path / "classes")
    with pytest.raises(DataError, match=r"^params.yaml: ingest.source: 'classes': is not a CIFAR folder; "):
        rows_of(tmp_path / "classes")
