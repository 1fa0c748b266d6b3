"""Near-duplicates: pairs by shared hashes and similarity, and clusters of texts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.contracts import Finding
from headrace.data.checkers import CHECKERS
from headrace.data.cleaning import near_duplicates as module
from headrace.data.cleaning.near_duplicates import find_near_duplicates, find_near_pairs, group_pairs
from headrace.data.text.minhash import compute_minhash

Array = np.ndarray


def closeness(first: Array, second: Array) -> Array:
    """1 for equal bytes, 0.01 less for each step between them."""
    steps = np.abs(first.astype(np.float32) - second.astype(np.float32)).sum(axis=1)
    return (1 - steps / 100).astype(np.float32)


def hashes_of(*rows: list[int]) -> Array:
    return np.array(rows, np.uint64)


def sketches_of(*values: int) -> Array:
    return np.array(values, np.uint8)[:, None]


def everywhere(rows: Array) -> Array:
    return np.ones(len(rows), bool)


def test_pairs_share_a_hash_in_a_band_and_are_similar() -> None:
    hashes = hashes_of([1, 10], [2, 10], [2, 11], [10, 1], [4, 13])
    sketches = sketches_of(50, 51, 80, 50, 50)
    pairs = find_near_pairs(hashes, sketches, closeness, 0.95, usable=everywhere(hashes))
    # 1 and 2 share a hash but differ; 3 has the hashes of 0, but in other bands; 4 shares none
    assert pairs.tolist() == [[0, 1]]
    assert pairs.dtype == np.int64
    assert find_near_pairs(hashes, sketches, closeness, 0.7, usable=everywhere(hashes)).tolist() == [[0, 1], [1, 2]]


def test_pair_at_the_threshold_is_found() -> None:
    pairs = find_near_pairs(hashes_of([1], [1]), sketches_of(7, 7), closeness, 1.0, usable=np.array([True, True]))
    assert pairs.tolist() == [[0, 1]]


def test_unusable_rows_are_in_no_pair() -> None:
    hashes, usable = hashes_of([1], [1], [1]), np.array([True, False, True])
    assert find_near_pairs(hashes, sketches_of(5, 5, 5), closeness, 0.9, usable=usable).tolist() == [[0, 2]]


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 0), (1, 2)])
def test_no_rows_or_hashes_have_no_pairs(shape: tuple[int, int]) -> None:
    hashes = np.zeros(shape, np.uint64)
    pairs = find_near_pairs(hashes, np.zeros((shape[0], 1), np.uint8), closeness, 0.5, usable=everywhere(hashes))
    assert pairs.shape == (0, 2)


def test_planted_pairs_are_found_among_rows_that_share_hashes(tmp_path: object) -> None:
    rng = np.random.default_rng(0)
    originals = rng.integers(0, 256, (3000, 20), np.uint8)
    copies = originals[:200].copy()
    copies[:, 0] ^= 1
    sketches = np.concatenate([originals, copies])
    # a copy shares half of its eight hashes; there are only 100 values, so that about 32 rows share each
    hashes = rng.integers(0, 100, (3200, 8)).astype(np.uint64)
    shared = rng.random((200, 8)) < 0.5
    hashes[3000:] = np.where(shared, hashes[:200], hashes[3000:])
    np.save(tmp_path / "hashes.npy", hashes)
    np.save(tmp_path / "sketches.npy", sketches)
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("hashes", "sketches")]
    pairs = find_near_pairs(*mapped, closeness, 0.98, usable=everywhere(hashes))
    planted = {tuple(pair) for pair in pairs.tolist()}
    assert planted <= {(row, 3000 + row) for row in range(200)}
    assert len(planted) >= 160


def test_large_bucket_needs_few_comparisons() -> None:
    compared = 0

    def counted(first: Array, second: Array) -> Array:
        nonlocal compared
        compared += len(first)
        return closeness(first, second)

    sketches = np.random.default_rng(0).integers(0, 256, (5000, 30), np.uint8)
    hashes = np.ones((5000, 4), np.uint64)
    find_near_pairs(hashes, sketches, counted, 0.99, usable=everywhere(hashes))
    assert 0 < compared <= 5000 * 4 * module.NEIGHBOURS


def test_large_cluster_is_connected() -> None:
    hashes, sketches = np.ones((500, 3), np.uint64), np.full((500, 4), 9, np.uint8)
    pairs = find_near_pairs(hashes, sketches, closeness, 0.99, usable=everywhere(hashes))
    assert set(group_pairs(pairs, 500).tolist()) == {0}


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9)), max_size=30), st.integers(1, 40))
def test_small_buckets_give_all_pairs(rows: list[tuple[int, int, int]], gather_bytes: int) -> None:
    hashes = np.array([row[:2] for row in rows], np.uint64).reshape(-1, 2)
    sketches = np.array([row[2:] for row in rows], np.uint8).reshape(-1, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NEIGHBOURS", len(rows))
        patch.setattr(module, "GATHER_BYTES", gather_bytes)
        pairs = find_near_pairs(hashes, sketches, closeness, 0.985, usable=everywhere(hashes))
    expected = [
        [first, second]
        for first in range(len(rows))
        for second in range(first + 1, len(rows))
        if (hashes[first] == hashes[second]).any() and abs(rows[first][2] - rows[second][2]) <= 1
    ]
    assert pairs.tolist() == expected


def test_pairs_are_grouped_under_their_first_row() -> None:
    pairs = np.array([[1, 4], [2, 3], [3, 5], [4, 6]])
    assert group_pairs(pairs, 8).tolist() == [0, 1, 2, 2, 1, 2, 1, 7]
    assert group_pairs(pairs[::-1], 8).tolist() == [0, 1, 2, 2, 1, 2, 1, 7]
    assert group_pairs(np.empty((0, 2), np.int64), 3).tolist() == [0, 1, 2]
    assert group_pairs(np.empty((0, 2), np.int64), 0).shape == (0,)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_groups_are_the_components_by_their_smallest_row(pairs: list[tuple[int, int]]) -> None:
    smallest = list(range(20))
    for _ in range(20):  # the slow way: the smaller row spreads until nothing changes
        for left, right in pairs:
            smallest[left] = smallest[right] = min(smallest[left], smallest[right])
    assert group_pairs(np.array(pairs, np.int64).reshape(-1, 2), 20).tolist() == smallest


LONG = "the quick brown fox jumps over the lazy dog while seven wizards quietly box a jumping quartz sphinx "
TEXTS = [LONG, LONG + "now", "something else altogether, that nobody would take for the same", LONG + "then"]
SETTINGS = {"similarity": None}


def clusters(make_row_index, texts=TEXTS, is_accepted=None, options=SETTINGS, **columns):
    hashes, sketches = compute_minhash(texts)
    row_index = make_row_index(["a"] * len(texts), hashes=hashes, sketches=sketches, **columns)
    accepted = np.ones(len(texts), bool) if is_accepted is None else np.array(is_accepted)
    return find_near_duplicates(row_index, accepted, CHECKERS["text"], options)


def test_rows_almost_the_same_are_one_cluster(make_row_index):
    (cluster,) = clusters(make_row_index)
    assert cluster.rows == [0, 1, 3]
    assert cluster.first_id == "a" * 32
    assert all(0.8 <= value <= 1 for value in cluster.similarities.values())
    findings = list(cluster.findings(lambda row: f"rows.csv:{row + 2}"))
    assert [finding._replace(reason="") for finding in findings] == [
        Finding(1, "near_duplicate", "", repeats=0), Finding(3, "near_duplicate", "", repeats=0),
    ]  # fmt: skip
    assert findings[0].reason.startswith("almost the same as rows.csv:2 or one like it (similarity 0.")


def test_first_row_is_of_the_official_test_split_or_of_the_smallest_id(make_row_index):
    ids = [b"d", b"c", b"b", b"a"]
    assert clusters(make_row_index, row_ids=ids)[0].rows == [3, 1, 0]
    assert clusters(make_row_index, row_ids=ids, ranks=[2, 0, 2, 2])[0].rows == [1, 3, 0]


def test_rejected_rows_are_in_no_cluster(make_row_index):
    assert clusters(make_row_index, is_accepted=[True, False, True, False]) == []
    assert clusters(make_row_index, is_accepted=[False, True, True, True])[0].rows == [1, 3]


def test_setting_overrides_the_threshold(make_row_index):
    assert clusters(make_row_index, options={"similarity": 1.0}) == []
    (pair,) = clusters(make_row_index, texts=[*TEXTS, LONG], options={"similarity": 1.0})
    assert pair.rows == [0, 4]


def test_without_hashes_there_are_no_clusters(make_row_index):
    empty = {"hashes": np.empty((2, 0), np.uint64), "sketches": np.empty((2, 0), np.uint8)}
    row_index = make_row_index(["a", "a"], **empty)
    assert find_near_duplicates(row_index, np.ones(2, bool), CHECKERS["image"], SETTINGS) == []
