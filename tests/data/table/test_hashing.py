import numpy as np
import pyarrow as pa

from headrace.data.table import hashing


def strings(*cells: str | None) -> pa.Array:
    return pa.array(cells, pa.string())


def test_hashes_are_stable() -> None:
    # samples, and hence medians, depend on them: other hashes give another transform.json
    assert hashing.hash_numbers(np.array([1.5])).tolist() == [9832619553069098951]
    assert hashing.hash_strings(strings("abc")).tolist() == [6455300059550759896]
    assert hashing.hash_row_ids(strings("0123456789abcdef0123456789abcdef")).tolist() == [1740956461765582857]


def test_hash_is_zero_only_for_missing_cells() -> None:
    assert hashing.hash_numbers(np.array([np.nan, 0.0, -0.0])).tolist().count(0) == 1
    assert hashing.hash_dates(np.array(["NaT", "1970-01-01"], "M8[us]")).tolist().count(0) == 1
    assert hashing.hash_strings(strings(None, "", "0")).tolist().count(0) == 1
    assert hashing.hash_strings(strings(None, None)).tolist() == [0, 0]


def test_hash_row_ids_is_uniform() -> None:
    ids = pa.array([f"{row:032x}" for row in range(20_000)])
    counts, _ = np.histogram(hashing.hash_row_ids(ids).astype(float), bins=10, range=(0, 2.0**64))
    assert np.abs(counts - 2000).max() < 200
    assert len(hashing.hash_row_ids(ids[:0])) == 0


def test_hash_strings_without_spelling() -> None:
    hashes = hashing.hash_strings(strings("A", "a", "1", "1.0", None), spelling=False)
    assert hashes[0] == hashes[1]
    assert hashes[2] == hashes[3] == hashing.hash_numbers(np.array([1.0]))[0]
    assert hashes[4] == 0
    assert len(set(hashing.hash_strings(strings("A", "a", "1", "1.0")).tolist())) == 4


def test_combine_hashes_depends_on_column_order() -> None:
    keys = hashing.combine_hashes(np.array([[1, 2], [2, 1], [1, 2]], np.uint64))
    assert keys[0] == keys[2] != keys[1]
    assert hashing.combine_hashes(np.empty((2, 0), np.uint64)).tolist() == [b"", b""]
