import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.splitting.official_split import find_leaking_rows, split_officially
from headrace.errors import ConfigError, DataError
from headrace.paths import SPLITS
from tests.data.splitting.conftest import FRACTIONS, clean_rows

OFFICIAL = st.lists(st.sampled_from(["train", "val", "test", None]), min_size=1, max_size=60)
CLUSTERS = st.lists(st.lists(st.integers(0, 59), min_size=1, max_size=4), max_size=6)


def rows_of(official, clusters=(), **options):
    inside = [[row for row in members if row < len(official)] for members in clusters]
    return clean_rows(
        ["ab"[row % 2] for row in range(len(official))],
        clusters=[(None, members) for members in inside if members],
        official=official,
        **options,
    )


@settings(deadline=None)
@given(OFFICIAL, CLUSTERS, st.integers(0, 3))
def test_official_rows_stay_in_their_split(official, clusters, seed):
    rows = rows_of(["train", *official], clusters)
    assigned = split_officially(rows, FRACTIONS, None, seed=seed)
    assert set(assigned.tolist()) <= {0, 1, 2}
    for index, split in enumerate(SPLITS[1:], start=1):
        if split in official:
            assert ((assigned == index) == (rows.official == index)).all()
    if {"val", "test"} <= set(official):
        assert ((assigned == 0) == (rows.official <= 0)).all()


@settings(deadline=None)
@given(OFFICIAL, CLUSTERS)
def test_leaking_rows_are_train_rows_whose_group_is_also_in_another_split(official, clusters):
    rows = rows_of(["train", "val", "test", *official], clusters)
    assigned = split_officially(rows, FRACTIONS, None, seed=0)
    groups = rows.groups.group_of_row.tolist()
    evaluated = {group for group, split in zip(groups, assigned.tolist(), strict=True) if split > 0}
    expected = [split == 0 and group in evaluated for group, split in zip(groups, assigned.tolist(), strict=True)]
    assert find_leaking_rows(rows, assigned).tolist() == expected


def test_clusters_stay_together_in_completed_splits():
    rows = rows_of(["train"] * 300 + ["test"] * 20, [list(range(start, start + 4)) for start in range(0, 60, 4)])
    assigned = split_officially(rows, FRACTIONS, None, seed=0)
    assert set(assigned.tolist()) == {0, 1, 2}
    assert not find_leaking_rows(rows, assigned).any()


def test_counts_complete_missing_splits():
    rows = rows_of(["train"] * 80 + ["test"] * 20)
    for counts in ([None, 10, 20], [70, 10, 20], [70, None, 20], [70, 10, None]):
        assert np.bincount(split_officially(rows, FRACTIONS, counts, seed=0)).tolist() == [70, 10, 20]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([None, 10, 25], "split.counts: 25 rows for 'test', but the official one has 20; write 20 or null"),
        ([60, 10, None], "split.counts: [60, 10] does not add up to the 80 available rows"),
        ([None, 80, 20], "split.counts: [null, 80] does not add up to the 80 available rows"),
    ],
)
def test_counts_that_contradict_the_source_raise(counts, message):
    with pytest.raises(ConfigError) as error:
        split_officially(rows_of(["train"] * 80 + ["test"] * 20), FRACTIONS, counts, seed=0)
    assert message in str(error.value)


@pytest.mark.parametrize("name", [None, "test"])
def test_no_train_rows_raise(name):
    with pytest.raises(DataError, match="'official', but no clean row is in an official 'train' split; choose 'strat"):
        split_officially(rows_of([name] * 9), FRACTIONS, None, seed=0)
