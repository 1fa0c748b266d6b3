import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.splitting.exact_split import assign_exactly
from headrace.data.splitting.hash_split import HashSplitConfig, split_by_hash
from headrace.data.splitting.row_hash import compute_interval_ends
from headrace.paths import SPLITS
from tests.data.splitting.conftest import FRACTIONS, by_id, clean_rows, row_id

CLUSTERS = st.lists(st.lists(st.integers(0, 59), min_size=2, max_size=6, unique=True), max_size=8)


def split(rows, *, seed: int = 0, is_stratified: bool = True, exact_below: int = 3000) -> dict[str, int]:
    config = HashSplitConfig(SPLITS, FRACTIONS, seed, is_stratified, exact_below=exact_below)
    return by_id(rows, split_by_hash(rows, np.arange(len(rows)), config))


def sizes_of(assigned: dict[str, int], numbers) -> list[int]:
    return np.bincount([assigned[row_id(number)] for number in numbers], minlength=3).tolist()


def test_rows_of_each_class_fill_the_fractions_to_the_row():
    labels = ["good"] * 700 + ["bad"] * 300  # as German credit
    by_position = split(clean_rows(labels), exact_below=1000)
    assert sizes_of(by_position, range(700)) != [490, 105, 105]
    exact = split(clean_rows(labels))
    assert (sizes_of(exact, range(700)), sizes_of(exact, range(700, 1000))) == ([490, 105, 105], [210, 45, 45])
    assert sum(exact[name] != by_position[name] for name in exact) < 60  # in the same order


@settings(deadline=None)
@given(st.lists(st.integers(3, 40), min_size=1, max_size=5), st.integers(0, 9))
def test_each_class_is_within_a_row_of_its_fractions_and_in_each_split(class_sizes, seed):
    labels = [f"class{code}" for code, size in enumerate(class_sizes) for _ in range(size)]
    assigned, start = split(clean_rows(labels), seed=seed), 0
    for size in class_sizes:
        sizes = sizes_of(assigned, range(start, start + size))
        assert min(sizes) >= 1
        if size > 9:
            assert np.abs(np.array(sizes) - np.array(FRACTIONS) * size).max() <= 1
        start += size


@settings(deadline=None)
@given(st.lists(st.sampled_from("ab"), min_size=60, max_size=60), CLUSTERS, st.booleans(), st.integers(0, 3))
def test_groups_stay_together_and_single_rows_make_up_for_them(labels, clusters, is_stratified, seed):
    rows = clean_rows(labels, clusters=[(None, members) for members in clusters])
    assigned = split(rows, seed=seed, is_stratified=is_stratified)
    for members in clusters:
        assert len({assigned[row_id(member)] for member in members}) == 1
    if rows.groups.is_single.sum() >= 40 and rows.groups.sizes.max() <= 4 and not is_stratified:
        assert sizes_of(assigned, range(60)) == [42, 9, 9]


def test_groups_alone_are_cut_where_their_rows_come_closest():
    groups = [(str(start), list(range(start, start + 5))) for start in range(0, 100, 5)]
    rows = clean_rows(["a"] * 100, clusters=groups)
    assert sizes_of(split(rows, is_stratified=False), range(100)) == [70, 15, 15]


@settings(deadline=None)
@given(st.permutations(range(30)), st.lists(st.sampled_from("abc"), min_size=30, max_size=30))
def test_order_of_rows_does_not_matter(order, labels):
    clusters = [("g", [0, 1]), (None, [1, 2, 3]), ("h", [7])]
    moved = [(name, [order.index(row) for row in rows]) for name, rows in clusters]
    shuffled = clean_rows([labels[row] for row in order], clusters=moved, row_ids=[row_id(row) for row in order])
    assert split(clean_rows(labels, clusters=clusters)) == split(shuffled)


@settings(deadline=None)
@given(st.integers(10, 80), st.integers(0, 30), st.integers(0, 3))
def test_each_row_added_moves_at_most_one_at_each_cut(num_old, num_new, seed):
    before, after = (split(clean_rows(["a"] * number), seed=seed) for number in (num_old, num_old + num_new))
    assert sum(before[name] != after[name] for name in before) <= 2 * num_new


def test_rows_from_the_bound_on_are_not_moved_by_others():
    before, after = (split(clean_rows(["a"] * number), exact_below=100) for number in (100, 160))
    assert before.items() <= after.items()


@pytest.mark.parametrize("codes", [[0], [0, 0], [0, 1]])
def test_fewer_rows_than_splits_are_assigned_in_order(codes):
    hashes = np.linspace(0, 0.9, len(codes))
    assigned = assign_exactly(hashes, np.arange(len(codes)), np.array(codes, np.int32), FRACTIONS)
    assert assigned[0] == 0
    assert len(compute_interval_ends(FRACTIONS)) == 3
    assert (np.diff(assigned) >= 0).all()
