from bisect import bisect_right
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.splitting.row_hash import (
    assign_by_counts,
    assign_by_fractions,
    compute_interval_ends,
    cut_in_order,
    hash_position,
    hash_positions,
)


def test_position_never_changes():
    assert hash_position("0" * 32, seed=0) == 0.7109148292174297  # a change would move the rows of every user
    assert hash_position("0" * 32, seed=1) != hash_position("0" * 32, seed=0)


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=20), st.integers(0, 2**63 - 1))
def test_positions_equal_those_of_single_keys(keys, seed):
    assert hash_positions([key.encode() for key in keys], seed).tolist() == [hash_position(key, seed) for key in keys]


def test_positions_are_uniform():
    hashes = hash_positions([str(number).encode() for number in range(20_000)], seed=0)
    assert hashes.min() >= 0
    assert hashes.max() < 1
    assert np.histogram(hashes, bins=10, range=(0, 1))[0] / 20_000 == pytest.approx([0.1] * 10, abs=0.01)


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20),
    st.lists(st.floats(0.01, 100), min_size=1, max_size=5),
)
def test_fractions_assign_each_position_to_its_interval(hashes, fractions):
    ends = compute_interval_ends(fractions)
    assert ends[-1] == 1
    assert ends == pytest.approx([end / sum(fractions) for end in accumulate(fractions)])
    assert assign_by_fractions(np.array(hashes), fractions).tolist() == [
        bisect_right(ends, position) for position in hashes
    ]


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 99))
def test_counts_are_exact_for_single_rows(counts, seed):
    num_rows = sum(counts)
    hashes = np.random.default_rng(seed).random(num_rows)
    assigned = assign_by_counts(hashes, np.ones(num_rows, np.int64), counts)
    assert np.bincount(assigned, minlength=len(counts)).tolist() == counts
    assert (np.diff(assigned[np.argsort(hashes)]) >= 0).all()


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=40), st.integers(0, 99))
def test_counts_of_groups_are_exceeded_by_less_than_one_group(sizes, seed):
    sizes = np.array(sizes)
    first = sizes.sum() // 2
    assigned = assign_by_counts(np.random.default_rng(seed).random(len(sizes)), sizes, [first, sizes.sum() - first])
    assert first <= sizes[assigned == 0].sum() < first + sizes.max()


@pytest.mark.parametrize(
    ("sizes", "needed", "expected"),
    [
        ([1] * 10, [0, 0, 0], [0] * 7 + [1, 2, 2]),
        ([4, 4, 2], [0, 0, 0], [0, 0, 2]),
        ([4, 4, 2], [1, 1, 1], [0, 1, 2]),
        ([9, 1], [1, 1, 1], [0, 2]),  # too few for all splits
        ([9, 1], [0, 1, 1], [1, 2]),
        ([], [1, 1, 1], []),
    ],
)
def test_items_are_cut_where_their_rows_come_closest_to_the_ends(sizes, needed, expected):
    ends = np.array([0.7, 0.85, 1.0]) * sum(sizes)
    assigned = cut_in_order(np.array(sizes, np.int64), ends, np.array(needed, bool))
    assert assigned.tolist() == expected
