"""Sums that are exact, so that mean and deviation do not depend on the order of the rows or the size of a batch."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MANTISSA_BITS = 53
UNIT_BITS = 1074 + MANTISSA_BITS
"""Every finite float64 is a whole number of 2**-1127: the smallest one, 2**-1074, still has room for its mantissa."""


class Sums(NamedTuple):
    """Number, sum and sum of squares of values, without any rounding."""

    num_values: int = 0
    total: int = 0
    """In units of 2**-UNIT_BITS."""
    squares: int = 0
    """In units of 2**-(2 * UNIT_BITS)."""

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Sums:
        """Of finite values."""
        import numpy as np

        mantissas, exponents = np.frexp(values)
        whole = np.ldexp(mantissas, MANTISSA_BITS).astype(np.int64)
        total = squares = 0
        for exponent in np.unique(exponents).tolist():  # few: values of a column are of a size
            numbers = whole[exponents == exponent].tolist()
            shift = exponent - MANTISSA_BITS + UNIT_BITS
            total += sum(numbers) << shift
            squares += sum(number * number for number in numbers) << 2 * shift
        return cls(len(values), total, squares)

    def plus(self, other: Sums) -> Sums:
        """Of the values of both."""
        return Sums(self.num_values + other.num_values, self.total + other.total, self.squares + other.squares)

    def mean_std(self) -> tuple[float, float]:
        """The mean and the population's standard deviation, each rounded once; raises ZeroDivisionError of none."""
        variance = Fraction(
            self.num_values * self.squares - self.total * self.total, (self.num_values << UNIT_BITS) ** 2
        )
        return float(Fraction(self.total, self.num_values << UNIT_BITS)), sqrt(float(variance))
