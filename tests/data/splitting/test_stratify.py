import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.splitting.row_hash import assign_by_fractions, hash_positions
from headrace.data.splitting.stratify import fill_class_gaps
from headrace.paths import SPLITS
from tests.data.splitting.conftest import FRACTIONS, row_id


def fill(codes: list[int], is_single: list[bool] | None = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Splits by hash alone, and with class gaps filled: `[rows]` each."""
    hashes = hash_positions([row_id(number).encode() for number in range(len(codes))], seed)
    by_hash = assign_by_fractions(hashes, FRACTIONS)
    assigned = by_hash.copy()
    singles = np.ones(len(codes), bool) if is_single is None else np.array(is_single)
    names = (SPLITS, [f"class{code}" for code in range(max(codes) + 1)])
    fill_class_gaps(assigned, hashes, np.array(codes, np.int32), is_single=singles, fractions=FRACTIONS, names=names)
    return by_hash, assigned


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=3, max_size=40), st.integers(0, 5))
def test_classes_of_three_rows_are_in_every_split_and_few_rows_move(codes, seed):
    by_hash, assigned = fill(codes, seed=seed)
    for code in set(codes):
        in_class = np.array(codes) == code
        assert len(set(assigned[in_class].tolist())) == min(3, in_class.sum())
        assert (assigned != by_hash)[in_class].sum() <= 2


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=40), st.integers(0, 5))
def test_only_single_rows_of_classes_with_gaps_move(rows, seed):
    codes, is_single = (np.array(column) for column in zip(*rows, strict=True))
    by_hash, assigned = fill(codes.tolist(), is_single.tolist(), seed)
    has_moved = assigned != by_hash
    assert is_single[has_moved].all()
    for code in set(codes[has_moved].tolist()):
        assert len(set(by_hash[codes == code].tolist())) < 3


def test_row_nearest_to_the_gap_moves():
    hashes = np.array([0.1, 0.6, 0.3, 0.95])
    assigned = assign_by_fractions(hashes, FRACTIONS)
    singles = np.ones(4, bool)
    fill_class_gaps(
        assigned, hashes, np.zeros(4, np.int32), is_single=singles, fractions=FRACTIONS, names=(SPLITS, ["cat"])
    )
    assert assigned.tolist() == [0, 1, 0, 2]


def test_class_of_too_few_rows_is_logged(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        assigned = fill([0, 0])[1]
    assert len(set(assigned.tolist())) == 2
    assert len(caplog.messages) == 1
    assert "class 'class0' has too few rows (2) to be in split" in caplog.messages[0]


def test_class_whose_rows_are_in_groups_is_logged(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        by_hash, assigned = fill([0] * 2, [False] * 2)
    assert (assigned == by_hash).all()
    assert caplog.messages
    assert all("class 'class0' has too few rows outside of groups (0)" in message for message in caplog.messages)
