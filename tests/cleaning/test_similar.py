"""Clusters of near-duplicates, of real texts' hashes."""

import numpy as np

from headrace.cleaning.similar import near_duplicates
from headrace.data.checkers import EXAMINERS
from headrace.data.text.minhash import minhash

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
