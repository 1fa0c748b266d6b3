import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.data.table.encoding.statistics import ExactMoments

FINITE = st.floats(min_value=-1e37, max_value=1e37)


@given(st.lists(FINITE, min_size=1, max_size=30))
def test_mean_std_are_those_of_exact_arithmetic(values: list[float]) -> None:
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    assert ExactMoments.of(np.array(values)).mean_std() == (float(mean), math.sqrt(float(variance)))


@given(st.lists(FINITE, min_size=2, max_size=30), st.integers(0, 30), st.randoms())
def test_parts_add_up_in_any_order(values: list[float], cut: int, random) -> None:
    whole = ExactMoments.of(np.array(values))
    random.shuffle(values)
    assert ExactMoments.of(np.array(values[:cut])).plus(ExactMoments.of(np.array(values[cut:]))) == whole


def test_equal_values_do_not_deviate() -> None:
    assert ExactMoments.of(np.full(7, 0.1)).mean_std() == (0.1, 0.0)


def test_no_values_have_no_mean() -> None:
    with pytest.raises(ZeroDivisionError):
        ExactMoments().mean_std()
