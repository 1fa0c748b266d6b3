import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.splitting.official_split import find_leaking_rows, split_officially
from headrace.errors import ConfigError, DataError
from headrace.paths import SPLITS
from tests.data.splitting.conftest import FRACTIONS, clean_rows

GIVEN = st.lists(st.sampled_from(["train", "val", "test", None]), min_size=1, max_size=60)
CLUSTERS = st.lists(st.lists(st.integers(0, 59), min_size=1, max_size=4), max_size=6)


def rows_of(given_splits, clusters=(), **options):
    inside = [[row for row in members if row < len(given_splits)] for members in clusters]
    return clean_rows(
        ["ab"[row % 2] for row in range(len(given_splits))],
        clusters=[(None, members) for members in inside if members],
        official=given_splits,
        **options,
    )


@settings(deadline=None)
@given(GIVEN, CLUSTERS, st.integers(0, 3))
def test_given_rows_stay_where_they_are(given_splits, clusters, seed):
    rows = rows_of(["train", *given_splits], clusters)
    found = split_officially(rows, FRACTIONS, None, seed)
    assert set(found.tolist()) <= {0, 1, 2}
    for index, split in enumerate(SPLITS[1:], start=1):
        if split in given_splits:
            assert ((found == index) == (rows.official == index)).all()
    if {"val", "test"} <= set(given_splits):
        assert ((found == 0) == (rows.official <= 0)).all()


@settings(deadline=None)
@given(GIVEN, CLUSTERS)
def test_leaking_rows_are_train_rows_of_units_with_others(given_splits, clusters):
    rows = rows_of(["train", "val", "test", *given_splits], clusters)
    found = split_officially(rows, FRACTIONS, None, 0)
    units = rows.groups.group_of_row.tolist()
    elsewhere = {unit for unit, split in zip(units, found.tolist(), strict=True) if split > 0}
    expected = [split == 0 and unit in elsewhere for unit, split in zip(units, found.tolist(), strict=True)]
    assert find_leaking_rows(rows, found).tolist() == expected


def test_carved_rows_of_a_cluster_stay_together():
    rows = rows_of(["train"] * 300 + ["test"] * 20, [list(range(start, start + 4)) for start in range(0, 60, 4)])
    found = split_officially(rows, FRACTIONS, None, 0)
    assert set(found.tolist()) == {0, 1, 2}
    assert not find_leaking_rows(rows, found).any()


def test_counts_carve_what_is_lacking():
    rows = rows_of(["train"] * 80 + ["test"] * 20)
    for counts in ([None, 10, 20], [70, 10, 20], [70, None, 20], [70, 10, None]):
        assert np.bincount(split_officially(rows, FRACTIONS, counts, 0)).tolist() == [70, 10, 20]


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([None, 10, 25], "split.counts: 25 rows for 'test', but the official one has 20; write 20 or null"),
        ([60, 10, None], "split.counts: [60, 10] does not add up to the 80 available rows"),
        ([None, 80, 20], "split.counts: [null, 80] does not add up to the 80 available rows"),
    ],
)
def test_counts_that_are_not_those_of_the_source_are_told(counts, told):
    with pytest.raises(ConfigError) as error:
        split_officially(rows_of(["train"] * 80 + ["test"] * 20), FRACTIONS, counts, 0)
    assert told in str(error.value)


@pytest.mark.parametrize("name", [None, "test"])
def test_no_train_rows_are_told(name):
    with pytest.raises(DataError, match="'official', but no clean row is in an official 'train' split; choose 'strat"):
        split_officially(rows_of([name] * 9), FRACTIONS, None, 0)
