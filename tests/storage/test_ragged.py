import contextlib
import errno
import os
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.storage.ragged import RaggedWriter, open_ragged


def write(folder, rows, order):
    folder.mkdir()
    writer = RaggedWriter(folder, len(rows))
    for position in order:
        writer.write(position, np.array(rows[position], np.int32))
    writer.close()
    return open_ragged(folder)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_ragged_reads_rows_written_in_any_order(tmp_path_factory, rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    ragged = write(tmp_path_factory.mktemp("ragged") / "x", rows, order)
    padded = ragged[np.arange(len(rows))]
    assert padded.shape == (len(rows), max(1, *(len(row) for row in rows)))
    for row, padded_row in zip(rows, padded.tolist(), strict=True):
        assert padded_row == row + [0] * (padded.shape[1] - len(row))


def test_ragged_slice_is_padded_to_its_longest_row(tmp_path):
    ragged = write(tmp_path / "x", [[1], [2, 3], [4, 5, 6, 7]], [2, 0, 1])
    assert ragged[:2].tolist() == [[1, 0], [2, 3]]
    assert ragged[2].tolist() == [4, 5, 6, 7]
    assert ragged.shape == (3, 4)


def test_open_ragged_refuses_a_truncated_file(tmp_path):
    write(tmp_path / "x", [[1, 2, 3]], [0])
    (tmp_path / "x" / "tokens.bin").write_bytes(b"\0" * 4)
    with pytest.raises(ValueError, match=r"tokens\.bin is shorter"):
        open_ragged(tmp_path / "x")


@pytest.mark.faults
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
@pytest.mark.parametrize("num_tokens", [10, 4000])
def test_ragged_writer_raises_enospc_on_a_full_disk(tmp_path, num_tokens):
    """16 KiB are enough for the tokens of a row but not for the index of 4,000 rows, or not even for the tokens."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", tmp_path], check=True)
    try:
        writer = RaggedWriter(tmp_path, 4000)
        with pytest.raises(OSError) as caught:
            for position in range(3):
                writer.write(position, np.ones(num_tokens, np.int32))
            writer.close()
        assert caught.value.errno == errno.ENOSPC
        with contextlib.suppress(OSError):
            writer.close()
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)
