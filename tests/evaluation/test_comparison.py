"""Comparison against hand-computed intervals."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.comparison import Z_95_ONE_SIDED, compare_paired, compare_unpaired


def outcomes(both, champion_only, challenger_only, neither):
    counts = [both, champion_only, challenger_only, neither]
    champion = np.repeat([True, True, False, False], counts)
    challenger = np.repeat([True, False, True, False], counts)
    return champion, challenger


def test_paired_difference_is_that_of_the_book():
    # Agresti, Categorical Data Analysis, table 11.1: approval of 1,600 people asked twice (794, 150, 86, 570)
    found = compare_paired(*outcomes(794, 150, 86, 570))
    assert found.difference == pytest.approx(0.04, abs=1e-12)
    error = (found.upper_bound - found.difference) / Z_95_ONE_SIDED
    assert error == pytest.approx(0.0095, abs=5e-5)
    assert found.num_rows == 1600


def test_equal_models_are_not_worse_at_any_margin():
    found = compare_paired(*outcomes(90, 0, 0, 10))
    assert found.upper_bound == 0
    assert found.is_not_worse(0.0)


def test_few_rows_rule_nothing_out():
    assert not compare_paired(*outcomes(8, 1, 1, 0)).is_not_worse(0.01)
    assert compare_paired(*outcomes(9000, 10, 10, 100)).is_not_worse(0.01)


def test_unpaired_difference_is_that_of_two_proportions():
    found = compare_unpaired(np.repeat([True, False], [90, 10]), np.repeat([True, False], [160, 40]))
    assert found.difference == pytest.approx(0.1)
    assert found.upper_bound == pytest.approx(0.1 + 1.6449 * sqrt(0.9 * 0.1 / 100 + 0.8 * 0.2 / 200))
    assert found.num_rows == 0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_bound_is_never_below_the_difference(pairs):
    champion, challenger = (np.array(column) for column in zip(*pairs, strict=True))
    found = compare_paired(champion, challenger)
    assert -1 <= found.difference <= found.upper_bound
