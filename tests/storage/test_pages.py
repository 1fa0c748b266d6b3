import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.storage import pages
from pipeline.storage.arrays import create, open_arrays
from pipeline.storage.pages import Pages

NUM_ROWS, SIDE = 4096, 32


def mapped_bytes(path: Path) -> int:
    """Bytes of a file's mappings that are in this process' memory (proc(5), smaps)."""
    regions = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
    resident = [re.search(r"^Rss: +(\d+) kB", region, re.MULTILINE) for region in regions if f" {path}\n" in region]
    return sum(1024 * int(found[1]) for found in resident if found)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    made = create(tmp_path / "train", num_rows=NUM_ROWS, input_shape=[SIDE, SIDE, 3])
    made.inputs[:] = np.random.default_rng(0).integers(0, 256, made.inputs.shape, dtype=np.uint8)
    made.inputs.flush()
    return tmp_path / "train"


def test_pages_of_a_large_set_are_given_back_and_read_again(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST", 2**21)
    rows = open_arrays(written).inputs
    first, counted = np.array(rows[:8]), Pages(rows)
    for place in range(0, NUM_ROWS, 8):
        assert rows[place : place + 8].sum() > 0
        counted.count(8)
        assert mapped_bytes(written / "inputs.npy") < 2 * 2**21
    assert (np.array(rows[:8]) == first).all()


def test_pages_of_a_small_set_stay(written: Path) -> None:
    rows = open_arrays(written).inputs
    counted = Pages(rows)
    assert rows[:].sum() > 0
    counted.count(10 * NUM_ROWS)
    assert mapped_bytes(written / "inputs.npy") >= rows.nbytes


def test_pages_of_texts_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST", 2**20)
    made = create(tmp_path / "train", num_rows=64, input_shape=[], modality="text")
    made.put(np.arange(64), [np.full(2**13, row + 1, np.int32) for row in range(64)], np.zeros(64, np.int64))
    made.close()
    rows = open_arrays(tmp_path / "train").inputs
    assert rows[np.arange(64)].sum() > 0
    assert mapped_bytes(tmp_path / "train" / "tokens.bin") > 2**20
    Pages(rows).count(64)
    assert mapped_bytes(tmp_path / "train" / "tokens.bin") == 0
    assert (rows[np.array([5])] == 6).all()


def test_pages_of_an_array_in_memory_are_its_own_matter() -> None:
    Pages(np.zeros((0, 3))).count(5)
    Pages(np.zeros((4, 3))).count(10**9)
