import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.data.table.encoding.statistics import Moments

FINITE = st.floats(min_value=-1e37, max_value=1e37)


@given(st.lists(FINITE, min_size=1, max_size=30))
def test_mean_std_match_exact_arithmetic(values: list[float]) -> None:
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    assert Moments.from_values(np.array(values)).mean_std() == (float(mean), math.sqrt(float(variance)))


@given(st.lists(FINITE, min_size=2, max_size=30), st.integers(0, 30), st.randoms())
def test_moments_merge_in_any_order(values: list[float], cut: int, random) -> None:
    whole = Moments.from_values(np.array(values))
    random.shuffle(values)
    assert Moments.from_values(np.array(values[:cut])).merge(Moments.from_values(np.array(values[cut:]))) == whole


def test_std_of_equal_values_is_zero() -> None:
    assert Moments.from_values(np.full(7, 0.1)).mean_std() == (0.1, 0.0)


def test_mean_std_of_no_values_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        Moments().mean_std()
