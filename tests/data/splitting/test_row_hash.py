from bisect import bisect_right
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.splitting.row_hash import assign_by_counts, assign_by_fractions, compute_interval_ends, hash_position, hash_positions


def test_place_is_fixed_for_ever():
    assert hash_position("0" * 32, seed=0) == 0.7109148292174297  # another would move every row of every user
    assert hash_position("0" * 32, seed=1) != hash_position("0" * 32, seed=0)


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=20), st.integers(0, 2**63 - 1))
def test_places_are_those_of_each_key(keys, seed):
    assert hash_positions([key.encode() for key in keys], seed).tolist() == [hash_position(key, seed) for key in keys]


def test_places_are_spread_evenly():
    where = hash_positions([str(number).encode() for number in range(20_000)], seed=0)
    assert where.min() >= 0
    assert where.max() < 1
    assert np.histogram(where, bins=10, range=(0, 1))[0] / 20_000 == pytest.approx([0.1] * 10, abs=0.01)


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20),
    st.lists(st.floats(0.01, 100), min_size=1, max_size=5),
)
def test_by_fractions_puts_each_place_into_its_interval(where, shares):
    ends = compute_interval_ends(shares)
    assert ends[-1] == 1
    assert ends == pytest.approx([end / sum(shares) for end in accumulate(shares)])
    assert assign_by_fractions(np.array(where), shares).tolist() == [bisect_right(ends, one) for one in where]


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 99))
def test_by_counts_is_exact_for_single_rows(counts, seed):
    num_rows = sum(counts)
    where = np.random.default_rng(seed).random(num_rows)
    found = assign_by_counts(where, np.ones(num_rows, np.int64), counts)
    assert np.bincount(found, minlength=len(counts)).tolist() == counts
    assert (np.diff(found[np.argsort(where)]) >= 0).all()


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=40), st.integers(0, 99))
def test_by_counts_of_units_misses_by_less_than_a_unit(sizes, seed):
    sizes = np.array(sizes)
    first = sizes.sum() // 2
    found = assign_by_counts(np.random.default_rng(seed).random(len(sizes)), sizes, [first, sizes.sum() - first])
    assert first <= sizes[found == 0].sum() < first + sizes.max()
