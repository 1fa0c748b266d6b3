"""Clusters of near-duplicates, of real texts' hashes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.checkers import EXAMINERS
from headrace.data.cleaning import near_duplicates as room
from headrace.data.cleaning.near_duplicates import groups, near_duplicates, near_pairs
from headrace.data.text.minhash import minhash

Array = np.ndarray


def closeness(first: Array, second: Array) -> Array:
    """1 for equal bytes, less by a 100th for each step between them."""
    steps = np.abs(first.astype(np.float32) - second.astype(np.float32)).sum(axis=1)
    return (1 - steps / 100).astype(np.float32)


def hashes_of(*rows: list[int]) -> Array:
    return np.array(rows, np.uint64)


def sketches_of(*values: int) -> Array:
    return np.array(values, np.uint8)[:, None]


def everywhere(rows: Array) -> Array:
    return np.ones(len(rows), bool)


def test_near_pairs_share_a_hash_of_a_band_and_are_similar() -> None:
    hashes = hashes_of([1, 10], [2, 10], [2, 11], [10, 1], [4, 13])
    sketches = sketches_of(50, 51, 80, 50, 50)
    pairs = near_pairs(hashes, sketches, closeness, 0.95, usable=everywhere(hashes))
    # 1 and 2 share a hash but differ; 3 has the hashes of 0, but in other bands; 4 shares none
    assert pairs.tolist() == [[0, 1]]
    assert pairs.dtype == np.int64
    assert near_pairs(hashes, sketches, closeness, 0.7, usable=everywhere(hashes)).tolist() == [[0, 1], [1, 2]]


def test_near_pairs_at_the_threshold_are_near() -> None:
    pairs = near_pairs(hashes_of([1], [1]), sketches_of(7, 7), closeness, 1.0, usable=np.array([True, True]))
    assert pairs.tolist() == [[0, 1]]


def test_near_pairs_leaves_out_what_is_not_usable() -> None:
    hashes, usable = hashes_of([1], [1], [1]), np.array([True, False, True])
    assert near_pairs(hashes, sketches_of(5, 5, 5), closeness, 0.9, usable=usable).tolist() == [[0, 2]]


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 0), (1, 2)])
def test_near_pairs_of_nothing(shape: tuple[int, int]) -> None:
    hashes = np.zeros(shape, np.uint64)
    pairs = near_pairs(hashes, np.zeros((shape[0], 1), np.uint8), closeness, 0.5, usable=everywhere(hashes))
    assert pairs.shape == (0, 2)


def test_near_pairs_finds_planted_ones_among_rows_that_share_hashes(tmp_path: object) -> None:
    rng = np.random.default_rng(0)
    originals = rng.integers(0, 256, (3000, 20), np.uint8)
    copies = originals[:200].copy()
    copies[:, 0] ^= 1
    sketches = np.concatenate([originals, copies])
    # of eight hashes a copy shares half; there are but 100 different ones, so that some 32 rows share each
    hashes = rng.integers(0, 100, (3200, 8)).astype(np.uint64)
    shared = rng.random((200, 8)) < 0.5
    hashes[3000:] = np.where(shared, hashes[:200], hashes[3000:])
    np.save(tmp_path / "hashes.npy", hashes)
    np.save(tmp_path / "sketches.npy", sketches)
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("hashes", "sketches")]
    pairs = near_pairs(*mapped, closeness, 0.98, usable=everywhere(hashes))
    found = {tuple(pair) for pair in pairs.tolist()}
    assert found <= {(row, 3000 + row) for row in range(200)}
    assert len(found) >= 160


def test_near_pairs_compares_few_of_a_large_bucket() -> None:
    compared = 0

    def counted(first: Array, second: Array) -> Array:
        nonlocal compared
        compared += len(first)
        return closeness(first, second)

    sketches = np.random.default_rng(0).integers(0, 256, (5000, 30), np.uint8)
    hashes = np.ones((5000, 4), np.uint64)
    near_pairs(hashes, sketches, counted, 0.99, usable=everywhere(hashes))
    assert 0 < compared <= 5000 * 4 * room.NEIGHBOURS


def test_near_pairs_joins_a_large_cluster() -> None:
    hashes, sketches = np.ones((500, 3), np.uint64), np.full((500, 4), 9, np.uint8)
    pairs = near_pairs(hashes, sketches, closeness, 0.99, usable=everywhere(hashes))
    assert set(groups(pairs, 500).tolist()) == {0}


@settings(deadline=None)  # a loaded machine is no mistake
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9)), max_size=30), st.integers(1, 40))
def test_near_pairs_of_small_buckets_are_all_pairs(rows: list[tuple[int, int, int]], gather_bytes: int) -> None:
    hashes = np.array([row[:2] for row in rows], np.uint64).reshape(-1, 2)
    sketches = np.array([row[2:] for row in rows], np.uint8).reshape(-1, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "NEIGHBOURS", len(rows))
        patch.setattr(room, "GATHER_BYTES", gather_bytes)
        pairs = near_pairs(hashes, sketches, closeness, 0.985, usable=everywhere(hashes))
    expected = [
        [first, second]
        for first in range(len(rows))
        for second in range(first + 1, len(rows))
        if (hashes[first] == hashes[second]).any() and abs(rows[first][2] - rows[second][2]) <= 1
    ]
    assert pairs.tolist() == expected


def test_groups_are_told_by_their_first_row() -> None:
    pairs = np.array([[1, 4], [2, 3], [3, 5], [4, 6]])
    assert groups(pairs, 8).tolist() == [0, 1, 2, 2, 1, 2, 1, 7]
    assert groups(pairs[::-1], 8).tolist() == [0, 1, 2, 2, 1, 2, 1, 7]
    assert groups(np.empty((0, 2), np.int64), 3).tolist() == [0, 1, 2]
    assert groups(np.empty((0, 2), np.int64), 0).shape == (0,)


LONG = "the quick brown fox jumps over the lazy dog while seven wizards quietly box a jumping quartz sphinx "
TEXTS = [LONG, LONG + "now", "something else altogether, that nobody would take for the same", LONG + "then"]
SETTINGS = {"similarity": None}


def clusters(make_facts, texts=TEXTS, is_left=None, options=SETTINGS, **columns):
    hashes, sketches = minhash(texts)
    facts = make_facts(["a"] * len(texts), hashes=hashes, sketches=sketches, **columns)
    left = np.ones(len(texts), bool) if is_left is None else np.array(is_left)
    return near_duplicates(facts, left, EXAMINERS["text"], options)


def test_rows_almost_the_same_are_one_cluster(make_facts):
    (cluster,) = clusters(make_facts)
    assert cluster.rows == [0, 1, 3]
    assert cluster.first_id == "a" * 32
    assert all(0.8 <= value <= 1 for value in cluster.similarities.values())
    told = list(cluster.findings())
    assert [(one.row, one.check) for one in told] == [(1, "near_duplicate"), (3, "near_duplicate")]
    assert told[0].reason.startswith(f"almost the same as row {'a' * 32} or one like it (similarity 0.")


def test_the_first_is_that_of_the_official_test_else_of_the_smallest_id(make_facts):
    ids = [b"d", b"c", b"b", b"a"]
    assert clusters(make_facts, row_ids=ids)[0].rows == [3, 1, 0]
    assert clusters(make_facts, row_ids=ids, ranks=[2, 0, 2, 2])[0].rows == [1, 3, 0]


def test_rows_that_left_are_in_no_cluster(make_facts):
    assert clusters(make_facts, is_left=[True, False, True, False]) == []
    assert clusters(make_facts, is_left=[False, True, True, True])[0].rows == [1, 3]


def test_threshold_is_that_of_the_settings(make_facts):
    assert clusters(make_facts, options={"similarity": 1.0}) == []
    (pair,) = clusters(make_facts, texts=[*TEXTS, LONG], options={"similarity": 1.0})
    assert pair.rows == [0, 4]


def test_without_hashes_there_are_no_clusters(make_facts):
    none = {"hashes": np.empty((2, 0), np.uint64), "sketches": np.empty((2, 0), np.uint8)}
    facts = make_facts(["a", "a"], **none)
    assert near_duplicates(facts, np.ones(2, bool), EXAMINERS["image"], SETTINGS) == []
