import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.splitting.hash_split import HashSplitConfig, split_by_hash, resolve_counts, assign_folds
from headrace.errors import ConfigError, DataError
from headrace.paths import SPLITS
from tests.data.splitting.conftest import FRACTIONS, by_id, clean_rows, row_id

IDS = st.sets(st.text("0123456789abcdef", min_size=32, max_size=32), min_size=1, max_size=40)


def dealt(rows, *, seed: int = 0, is_stratified: bool = True, counts=None) -> dict[str, int]:
    wish = HashSplitConfig(SPLITS, FRACTIONS, seed, is_stratified, counts)
    return by_id(rows, split_by_hash(rows, np.arange(len(rows)), wish))


@settings(deadline=None)  # a loaded machine is no mistake
@given(IDS, IDS, st.integers(0, 3), st.booleans())
def test_adding_rows_moves_no_old_row(old, new, seed, is_stratified):
    # each split has a row of the class by hash, as every class has that is not tiny
    anchors = {row_id(number) for number in range(60)}
    before, after = (
        dealt(clean_rows(["cat"] * len(ids), row_ids=sorted(ids)), seed=seed, is_stratified=is_stratified)
        for ids in (anchors | old, anchors | old | new)
    )
    assert before.items() <= after.items()


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=30, max_size=60), st.integers(0, 59), st.integers(0, 3))
def test_adding_rows_to_a_group_moves_none_of_it(group_of_row, num_old, seed):
    def found(num_rows: int) -> dict[str, int]:
        groups = {
            str(name): [row for row in range(num_rows) if group_of_row[row] == name]
            for name in set(group_of_row[:num_rows])
        }
        rows = clean_rows(["cat"] * num_rows, clusters=list(groups.items()))
        made = dealt(rows, seed=seed, is_stratified=False)
        assert all(len({made[row_id(row)] for row in members}) == 1 for members in groups.values())
        return made

    assert found(min(num_old, len(group_of_row))).items() <= found(len(group_of_row)).items()


@settings(deadline=None)
@given(st.permutations(range(30)), st.lists(st.sampled_from("abc"), min_size=30, max_size=30), st.integers(0, 3))
def test_order_of_rows_does_not_matter(order, labels, seed):
    clusters = [("g", [0, 1]), (None, [1, 2, 3]), ("h", [7])]
    moved = [(name, [order.index(row) for row in rows]) for name, rows in clusters]
    shuffled = clean_rows([labels[row] for row in order], clusters=moved, row_ids=[row_id(row) for row in order])
    assert dealt(clean_rows(labels, clusters=clusters), seed=seed) == dealt(shuffled, seed=seed)


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=3, max_size=3), st.integers(0, 2) | st.none(), st.booleans())
def test_counts_are_exact_for_single_rows(counts, rest, is_stratified):
    wanted = [None if index == rest else count for index, count in enumerate(counts)]
    rows = clean_rows([f"class{number % 7}" for number in range(sum(counts))])
    found = dealt(rows, counts=wanted, is_stratified=is_stratified)
    assert [list(found.values()).count(index) for index in range(3)] == counts


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([5, 2, 2], "[5, 2, 2] does not add up to the 10 available rows"),
        ([8, 2, 2], "[8, 2, 2] does not add up to the 10 available rows"),
        ([None, 5, 5], "[null, 5, 5] does not add up to the 10 available rows"),
        ([50, None, 5], "[50, null, 5] does not add up to the 10 available rows"),
    ],
)
def test_counts_that_do_not_add_up_are_told(counts, told):
    with pytest.raises(ConfigError, match="one null, which takes the rest") as error:
        resolve_counts(counts, 10)
    assert told in str(error.value)


@settings(deadline=None)
@given(
    st.integers(2, 5), st.lists(st.lists(st.integers(0, 199), min_size=1, max_size=5), max_size=10), st.integers(3, 9)
)
def test_every_row_outside_of_test_is_in_one_fold_and_clusters_are_whole(num_folds, clusters, every):
    rows = clean_rows(["cat"] * 200, clusters=[(None, members) for members in clusters])
    is_tested = rows.groups.group_of_row % every == 0
    found = assign_folds(rows, is_tested, num_folds=num_folds, seed=0)
    assert ((found == -1) == is_tested).all()
    assert set(found[~is_tested].tolist()) == set(range(num_folds))
    assert all(len(set(found[rows.groups.group_of_row == unit].tolist())) == 1 for unit in range(len(rows.groups.keys)))


def test_folds_are_of_near_the_same_size_within_each_split():
    rows = clean_rows(["cat"] * 6000)
    found = assign_folds(rows, np.zeros(6000, bool), num_folds=3, seed=0)
    splits = split_by_hash(rows, np.arange(6000), HashSplitConfig(SPLITS, FRACTIONS, 0, is_stratified=False))
    for split in range(3):  # places of folds are not those of splits: else a fold would hold one split's rows
        sizes = np.bincount(found[splits == split])
        assert sizes / sizes.sum() == pytest.approx([1 / 3] * 3, abs=0.06)


def test_more_folds_than_rows_are_told():
    with pytest.raises(DataError, match=r"split.num_folds: fold \d of 9 gets none of 5 rows; choose fewer folds"):
        assign_folds(clean_rows(["cat"] * 6), np.arange(6) == 0, num_folds=9, seed=0)
