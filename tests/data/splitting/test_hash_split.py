import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.splitting.hash_split import HashSplitConfig, assign_folds, resolve_counts, split_by_hash
from headrace.errors import ConfigError, DataError
from headrace.paths import SPLITS
from tests.data.splitting.conftest import FRACTIONS, by_id, clean_rows, row_id

IDS = st.sets(st.text("0123456789abcdef", min_size=32, max_size=32), min_size=1, max_size=40)


def split(rows, *, seed: int = 0, is_stratified: bool = True, counts=None) -> dict[str, int]:
    config = HashSplitConfig(SPLITS, FRACTIONS, seed, is_stratified, counts)
    return by_id(rows, split_by_hash(rows, np.arange(len(rows)), config))


@settings(deadline=None)  # the machine may be busy
@given(IDS, IDS, st.integers(0, 3), st.booleans())
def test_adding_rows_moves_no_old_row(old, new, seed, is_stratified):
    # enough rows that by hash each split has one of the class
    anchors = {row_id(number) for number in range(60)}
    before, after = (
        split(clean_rows(["cat"] * len(ids), row_ids=sorted(ids)), seed=seed, is_stratified=is_stratified)
        for ids in (anchors | old, anchors | old | new)
    )
    assert before.items() <= after.items()


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=30, max_size=60), st.integers(0, 59), st.integers(0, 3))
def test_adding_rows_to_a_group_moves_none_of_it(group_of_row, num_old, seed):
    def assign(num_rows: int) -> dict[str, int]:
        groups = {
            str(name): [row for row in range(num_rows) if group_of_row[row] == name]
            for name in set(group_of_row[:num_rows])
        }
        rows = clean_rows(["cat"] * num_rows, clusters=list(groups.items()))
        assigned = split(rows, seed=seed, is_stratified=False)
        assert all(len({assigned[row_id(row)] for row in members}) == 1 for members in groups.values())
        return assigned

    assert assign(min(num_old, len(group_of_row))).items() <= assign(len(group_of_row)).items()


@settings(deadline=None)
@given(st.permutations(range(30)), st.lists(st.sampled_from("abc"), min_size=30, max_size=30), st.integers(0, 3))
def test_order_of_rows_does_not_matter(order, labels, seed):
    clusters = [("g", [0, 1]), (None, [1, 2, 3]), ("h", [7])]
    moved = [(name, [order.index(row) for row in rows]) for name, rows in clusters]
    shuffled = clean_rows([labels[row] for row in order], clusters=moved, row_ids=[row_id(row) for row in order])
    assert split(clean_rows(labels, clusters=clusters), seed=seed) == split(shuffled, seed=seed)


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=3, max_size=3), st.integers(0, 2) | st.none(), st.booleans())
def test_counts_are_exact_for_single_rows(counts, rest, is_stratified):
    requested = [None if index == rest else count for index, count in enumerate(counts)]
    rows = clean_rows([f"class{number % 7}" for number in range(sum(counts))])
    assigned = split(rows, counts=requested, is_stratified=is_stratified)
    assert [list(assigned.values()).count(index) for index in range(3)] == counts


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([5, 2, 2], "[5, 2, 2] does not add up to the 10 available rows"),
        ([8, 2, 2], "[8, 2, 2] does not add up to the 10 available rows"),
        ([None, 5, 5], "[null, 5, 5] does not add up to the 10 available rows"),
        ([50, None, 5], "[50, null, 5] does not add up to the 10 available rows"),
    ],
)
def test_counts_that_do_not_add_up_raise(counts, message):
    with pytest.raises(ConfigError, match="one null, which takes the rest") as error:
        resolve_counts(counts, 10)
    assert message in str(error.value)


@settings(deadline=None)
@given(
    st.integers(2, 5), st.lists(st.lists(st.integers(0, 199), min_size=1, max_size=5), max_size=10), st.integers(3, 9)
)
def test_every_row_outside_of_test_is_in_one_fold_and_clusters_stay_together(num_folds, clusters, every):
    rows = clean_rows(["cat"] * 200, clusters=[(None, members) for members in clusters])
    is_test = rows.groups.group_of_row % every == 0
    folds = assign_folds(rows, is_test, num_folds=num_folds, seed=0)
    assert ((folds == -1) == is_test).all()
    assert set(folds[~is_test].tolist()) == set(range(num_folds))
    assert all(
        len(set(folds[rows.groups.group_of_row == group].tolist())) == 1 for group in range(len(rows.groups.keys))
    )


def test_folds_have_similar_sizes_within_each_split():
    rows = clean_rows(["cat"] * 6000)
    folds = assign_folds(rows, np.zeros(6000, bool), num_folds=3, seed=0)
    splits = split_by_hash(rows, np.arange(6000), HashSplitConfig(SPLITS, FRACTIONS, 0, is_stratified=False))
    for split in range(3):  # folds hash other keys than splits: otherwise a fold would contain one split's rows
        sizes = np.bincount(folds[splits == split])
        assert sizes / sizes.sum() == pytest.approx([1 / 3] * 3, abs=0.06)


def test_more_folds_than_rows_raise():
    with pytest.raises(DataError, match=r"split.num_folds: fold \d of 9 gets none of 5 rows; choose fewer folds"):
        assign_folds(clean_rows(["cat"] * 6), np.arange(6) == 0, num_folds=9, seed=0)
