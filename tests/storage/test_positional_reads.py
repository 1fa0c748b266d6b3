import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.errors import DataError
from headrace.storage import positional_reads
from headrace.storage.arrays import create_arrays, open_arrays
from headrace.storage.positional_reads import PositionalReader, without_mapping

NUM_ROWS, SIDE = 512, 32


def mapped_bytes(path: Path) -> int:
    """Bytes of a file's mappings that are in this process' memory (proc(5), smaps)."""
    regions = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
    resident = [re.search(r"^Rss: +(\d+) kB", region, re.MULTILINE) for region in regions if f" {path}\n" in region]
    return sum(1024 * int(match[1]) for match in resident if match)


@pytest.fixture
def images(tmp_path: Path) -> Any:
    writer = create_arrays(tmp_path / "train", num_rows=NUM_ROWS, input_shape=[SIDE, SIDE, 3])
    writer.inputs[:] = np.random.default_rng(0).integers(0, 256, writer.inputs.shape, dtype=np.uint8)
    writer.inputs.flush()
    return open_arrays(tmp_path / "train").inputs


@pytest.fixture
def texts(tmp_path: Path) -> Any:
    writer = create_arrays(tmp_path / "train", num_rows=64, input_shape=[], modality="text")
    writer.put(np.arange(64)[::-1], [np.full(row, row + 1, np.int32) for row in range(64)], np.zeros(64, np.int64))
    writer.close()
    return open_arrays(tmp_path / "train").inputs


@pytest.mark.parametrize("kind", ["images", "texts"])
@pytest.mark.parametrize("selected", [[], [3], [40, 2, 2, 63, 0]])
def test_positional_reader_equals_indexing(kind: str, selected: list[int], request: pytest.FixtureRequest) -> None:
    rows, positions = request.getfixturevalue(kind), np.array(selected, np.int64)
    values = PositionalReader(rows)[positions]
    assert values.dtype == rows[positions].dtype
    assert np.array_equal(values, rows[positions])
    assert len(PositionalReader(rows)) == len(rows)


def test_without_mapping_leaves_a_large_file_unmapped(images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(images.filename)
    positions = np.random.default_rng(0).permutation(NUM_ROWS)
    monkeypatch.setattr(positional_reads, "MAX_MAPPED_BYTES", images.nbytes - 1)
    assert without_mapping(images)[positions].any()
    assert mapped_bytes(path) < images.nbytes / 4
    monkeypatch.setattr(positional_reads, "MAX_MAPPED_BYTES", images.nbytes)
    assert without_mapping(images)[positions].any()
    assert mapped_bytes(path) >= images.nbytes


def test_positional_reader_of_a_truncated_file_raises_one_line(images: Any) -> None:
    rows = PositionalReader(images)
    with Path(images.filename).open("r+b") as file:
        file.truncate(10_000)
    with pytest.raises(DataError, match=r"inputs\.npy: shorter than its rows; run: dvc repro --force"):
        rows[np.array([NUM_ROWS - 1])]


def test_without_mapping_returns_rows_in_memory_unchanged() -> None:
    rows = np.zeros((4, 3))
    assert without_mapping(rows) is rows
