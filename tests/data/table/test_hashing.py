import numpy as np
import pyarrow as pa

from headrace.data.table import hashing


def strings(*cells: str | None) -> pa.Array:
    return pa.array(cells, pa.string())


def test_codes_are_the_same_everywhere() -> None:
    # what samples, and so medians, are drawn by: another code is another transform.json
    assert hashing.hash_numbers(np.array([1.5])).tolist() == [9832619553069098951]
    assert hashing.hash_strings(strings("abc")).tolist() == [6455300059550759896]
    assert hashing.hash_row_ids(strings("0123456789abcdef0123456789abcdef")).tolist() == [1740956461765582857]


def test_codes_of_missing_cells_are_zero_and_no_others() -> None:
    assert hashing.hash_numbers(np.array([np.nan, 0.0, -0.0])).tolist().count(0) == 1
    assert hashing.hash_dates(np.array(["NaT", "1970-01-01"], "M8[us]")).tolist().count(0) == 1
    assert hashing.hash_strings(strings(None, "", "0")).tolist().count(0) == 1
    assert hashing.hash_strings(strings(None, None)).tolist() == [0, 0]


def test_codes_of_row_ids_are_even() -> None:
    ids = pa.array([f"{row:032x}" for row in range(20_000)])
    shares, _ = np.histogram(hashing.hash_row_ids(ids).astype(float), bins=10, range=(0, 2.0**64))
    assert np.abs(shares - 2000).max() < 200
    assert len(hashing.hash_row_ids(ids[:0])) == 0


def test_codes_without_spelling() -> None:
    made = hashing.hash_strings(strings("A", "a", "1", "1.0", None), spelling=False)
    assert made[0] == made[1]
    assert made[2] == made[3] == hashing.hash_numbers(np.array([1.0]))[0]
    assert made[4] == 0
    assert len(set(hashing.hash_strings(strings("A", "a", "1", "1.0")).tolist())) == 4


def test_row_keys_tell_places_apart() -> None:
    keys = hashing.combine_hashes(np.array([[1, 2], [2, 1], [1, 2]], np.uint64))
    assert keys[0] == keys[2] != keys[1]
    assert hashing.combine_hashes(np.empty((2, 0), np.uint64)).tolist() == [b"", b""]
