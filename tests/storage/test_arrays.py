import shutil
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest

from headrace.errors import DataError
from headrace.storage.arrays import (
    create_arrays,
    list_stored_columns,
    open_arrays,
    read_columns,
    read_sources,
    write_columns,
    write_sources,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    writer = create_arrays(tmp_path / "train", num_rows=5, input_shape=[2, 3, 1])
    writer.inputs[:] = np.arange(30, dtype=np.uint8).reshape(5, 2, 3, 1)
    writer.targets[:] = [0, 1, 2, 1, 0]
    writer.row_ids[:] = [f"{n:032x}".encode() for n in range(5)]
    return tmp_path / "train"


def test_open_arrays_reads_what_was_written(folder: Path) -> None:
    arrays = open_arrays(folder)
    assert len(arrays) == 5
    assert arrays.inputs.tobytes() == bytes(range(30))
    assert arrays.targets.tolist() == [0, 1, 2, 1, 0]
    assert arrays.row_ids[4] == b"%032x" % 4


def test_open_arrays_is_memory_mapped_and_read_only(folder: Path) -> None:
    arrays = open_arrays(folder)
    assert isinstance(arrays.inputs, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        arrays.inputs[0] = 1


def test_columns_beside_the_arrays_are_read_by_name(folder: Path) -> None:
    assert list_stored_columns(folder) == read_columns(folder, []).column_names == []
    write_columns(folder, pa.table({"ward": ["a", None, "b", "b", "a"], "height": [1.0, 2.0, 3.0, 4.0, 5.0]}))
    assert list_stored_columns(folder) == ["ward", "height"]
    assert read_columns(folder, ["ward"]).to_pydict() == {"ward": ["a", None, "b", "b", "a"]}


def test_create_arrays_allocates_the_disk_blocks(tmp_path: Path) -> None:
    create_arrays(tmp_path / "a", num_rows=1000, input_shape=[32, 32, 1])
    assert (tmp_path / "a" / "inputs.npy").stat().st_blocks * 512 >= 1000 * 32 * 32


def test_create_arrays_of_no_rows_can_be_opened(tmp_path: Path) -> None:
    create_arrays(tmp_path / "a", num_rows=0, input_shape=[2, 3, 1])
    assert len(open_arrays(tmp_path / "a")) == 0


@pytest.mark.parametrize("name", ["inputs", "targets", "row_ids"])
def test_open_arrays_with_a_missing_file_says_what_to_run(folder: Path, name: str) -> None:
    (folder / f"{name}.npy").unlink()
    with pytest.raises(DataError, match=rf"{name}\.npy: no such file; run the stages before this one: dvc repro$"):
        open_arrays(folder)


def test_open_arrays_of_a_truncated_file_raises_one_line(folder: Path) -> None:
    path = folder / "inputs.npy"
    good = path.read_bytes()
    for num_bytes in range(len(good)):
        path.write_bytes(good[:num_bytes])
        with pytest.raises(DataError, match=r"^.*inputs\.npy: not a NumPy array \(.*\); run: dvc repro --force$"):
            open_arrays(folder)


def test_open_arrays_with_a_damaged_header_raises_one_line_or_opens(folder: Path) -> None:
    path, rng, messages = folder / "targets.npy", Random(0), []
    good = path.read_bytes()
    for _ in range(400):
        bad = bytearray(good)
        bad[rng.randrange(128)] = rng.randrange(256)
        path.write_bytes(bad)
        try:
            open_arrays(folder)
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 200
    assert not [message for message in messages if "\n" in message]


def test_open_arrays_refuses_to_unpickle(folder: Path) -> None:
    np.save(folder / "inputs.npy", np.array([{"a": 1}] * 5, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"inputs\.npy: not a NumPy array \(Array can't be memory-mapped: .*"):
        open_arrays(folder)


def test_open_arrays_of_different_lengths_is_refused(folder: Path, tmp_path: Path) -> None:
    create_arrays(tmp_path / "other", num_rows=4, input_shape=[2, 3, 1])
    shutil.copy(tmp_path / "other" / "targets.npy", folder / "targets.npy")
    with pytest.raises(DataError, match=r"train: the arrays differ in length; run: dvc repro --force$"):
        open_arrays(folder)


def test_table_rows_are_float32_with_nan_and_written_in_any_order(tmp_path: Path) -> None:
    writer = create_arrays(tmp_path / "a", num_rows=3, input_shape=[2], modality="table", task="regression")
    writer.put(np.array([2, 0]), np.array([[1.5, np.nan], [-3.0, 4.0]]), np.array([0.25, -7.0]))
    writer.put(np.array([1]), np.array([[8.0, 9.0]]), np.array([1e6]))
    writer.row_ids[:] = [b"a", b"b", b"c"]
    writer.close()
    arrays = open_arrays(tmp_path / "a")
    assert (arrays.inputs.dtype, arrays.targets.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(arrays.inputs, [[-3.0, 4.0], [8.0, 9.0], [1.5, np.nan]])
    assert arrays.targets.tolist() == [-7.0, 1e6, 0.25]
    assert arrays.row_ids.tolist() == [b"a", b"b", b"c"]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    writer = create_arrays(tmp_path / "texts", num_rows=3, input_shape=[4], modality="text")
    writer.put(np.array([2, 0]), [np.array([5, 6, 7], np.int32), np.array([], np.int32)], np.array([1, 0]))
    writer.put(np.array([1]), [np.array([9], np.int32)], np.array([1]))
    writer.close()
    return tmp_path / "texts"


def test_text_rows_are_padded_to_the_longest_selected_row(texts: Path) -> None:
    arrays = open_arrays(texts)
    assert len(arrays) == len(arrays.inputs) == 3
    assert arrays.inputs[:2].tolist() == [[0], [9]]
    assert arrays.inputs[np.array([2, 1])].tolist() == [[5, 6, 7], [9, 0, 0]]
    assert arrays.inputs[:].dtype == np.int32
    assert (arrays.targets.dtype, arrays.targets.tolist()) == (np.int64, [0, 1, 1])


@pytest.mark.parametrize("name", ["starts.npy", "lengths.npy", "targets.npy"])
def test_open_arrays_of_text_with_a_missing_file_says_what_to_run(texts: Path, name: str) -> None:
    (texts / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: no such file; run the stages before this one: dvc repro$"):
        open_arrays(texts)


@pytest.mark.parametrize("name", ["starts.npy", "lengths.npy", "tokens.bin"])
def test_open_arrays_of_text_with_a_truncated_file_raises_one_line(texts: Path, name: str) -> None:
    path = texts / name
    good = path.read_bytes()
    for num_bytes in range(len(good)):
        path.write_bytes(good[:num_bytes])
        with pytest.raises(DataError, match=r"^.*tokens\.bin: not token ids \(.*\); run: dvc repro --force$"):
            open_arrays(texts)


def test_failed_creation_leaves_no_file_open(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File too large|No space left|Invalid argument"):
        create_arrays(tmp_path / "train", num_rows=4, input_shape=[], modality="text", target_shape=(2**50,))
    open_files = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not [path for path in open_files if path.startswith(str(tmp_path))]


@pytest.mark.parametrize("names", [["a.csv:2", "b.csv:3"], []])
def test_sources_are_read_back_in_order(tmp_path: Path, names: list[str]) -> None:
    assert read_sources(tmp_path) is None, "arrays of an earlier version"
    write_sources(tmp_path, pa.chunked_array([pa.array(names, pa.large_string())]))
    assert read_sources(tmp_path).to_pylist() == names
