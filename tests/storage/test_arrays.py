import shutil
from pathlib import Path
from random import Random

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.storage.arrays import create, open_arrays


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = create(tmp_path / "train", num_rows=5, input_shape=[2, 3, 1])
    made.inputs[:] = np.arange(30, dtype=np.uint8).reshape(5, 2, 3, 1)
    made.targets[:] = [0, 1, 2, 1, 0]
    made.row_ids[:] = [f"{n:032x}".encode() for n in range(5)]
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


def test_create_claims_the_blocks_of_the_disk(tmp_path: Path) -> None:
    create(tmp_path / "a", num_rows=1000, input_shape=[32, 32, 1])
    assert (tmp_path / "a" / "inputs.npy").stat().st_blocks * 512 >= 1000 * 32 * 32


def test_create_of_no_rows_opens_again(tmp_path: Path) -> None:
    create(tmp_path / "a", num_rows=0, input_shape=[2, 3, 1])
    assert len(open_arrays(tmp_path / "a")) == 0


@pytest.mark.parametrize("name", ["inputs", "targets", "row_ids"])
def test_open_arrays_of_a_missing_one_says_what_to_run(folder: Path, name: str) -> None:
    (folder / f"{name}.npy").unlink()
    with pytest.raises(DataError, match=rf"{name}\.npy: no such file; run the stages before this one: dvc repro$"):
        open_arrays(folder)


def test_open_arrays_truncated_anywhere_is_one_line(folder: Path) -> None:
    path = folder / "inputs.npy"
    good = path.read_bytes()
    for kept in range(len(good)):
        path.write_bytes(good[:kept])
        with pytest.raises(DataError, match=r"^.*inputs\.npy: not a NumPy array \(.*\); run: dvc repro --force$"):
            open_arrays(folder)


def test_open_arrays_with_a_damaged_header_is_one_line_or_opens(folder: Path) -> None:
    path, rng, told = folder / "targets.npy", Random(0), []
    good = path.read_bytes()
    for _ in range(400):
        bad = bytearray(good)
        bad[rng.randrange(128)] = rng.randrange(256)
        path.write_bytes(bad)
        try:
            open_arrays(folder)
        except DataError as error:
            told.append(str(error))
    assert len(told) > 200
    assert not [line for line in told if "\n" in line]


def test_open_arrays_refuses_to_unpickle(folder: Path) -> None:
    np.save(folder / "inputs.npy", np.array([{"a": 1}] * 5, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"inputs\.npy: not a NumPy array \(Array can't be memory-mapped: .*"):
        open_arrays(folder)


def test_open_arrays_of_different_lengths_is_refused(folder: Path, tmp_path: Path) -> None:
    create(tmp_path / "other", num_rows=4, input_shape=[2, 3, 1])
    shutil.copy(tmp_path / "other" / "targets.npy", folder / "targets.npy")
    with pytest.raises(DataError, match=r"train: its arrays differ in length; run: dvc repro --force$"):
        open_arrays(folder)
