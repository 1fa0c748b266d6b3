"""What train rows tell of each column: exact sums, counts of values, and a sample for medians and ranks.

Sums that are exact, so that mean and deviation do not depend on the order of the rows or the size of a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from math import sqrt
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.contracts import Column, Rows
from headrace.data.table import hashing
from headrace.data.table.encoding.encode import DAY_US, date_part
from headrace.data.table.row_sample import Sample, may_be_sampled

Floats = NDArray[np.float64]

MANTISSA_BITS = 53
UNIT_BITS = 1074 + MANTISSA_BITS
"""Every finite float64 is a whole number of 2**-1127: the smallest one, 2**-1074, still has room for its mantissa."""


class ExactMoments(NamedTuple):
    """Number, sum and sum of squares of values, without any rounding."""

    num_values: int = 0
    total: int = 0
    """In units of 2**-UNIT_BITS."""
    squares: int = 0
    """In units of 2**-(2 * UNIT_BITS)."""

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> ExactMoments:
        """Of finite values."""
        mantissas, exponents = np.frexp(values)
        whole = np.ldexp(mantissas, MANTISSA_BITS).astype(np.int64)
        total = squares = 0
        for exponent in np.unique(exponents).tolist():  # few: values of a column are of a size
            numbers = whole[exponents == exponent].tolist()
            shift = exponent - MANTISSA_BITS + UNIT_BITS
            total += sum(numbers) << shift
            squares += sum(number * number for number in numbers) << 2 * shift
        return cls(len(values), total, squares)

    def plus(self, other: ExactMoments) -> ExactMoments:
        """Of the values of both."""
        return ExactMoments(self.num_values + other.num_values, self.total + other.total, self.squares + other.squares)

    def mean_std(self) -> tuple[float, float]:
        """The mean and the population's standard deviation, each rounded once; raises ZeroDivisionError of none."""
        variance = Fraction(
            self.num_values * self.squares - self.total * self.total, (self.num_values << UNIT_BITS) ** 2
        )
        return float(Fraction(self.total, self.num_values << UNIT_BITS)), sqrt(float(variance))


LARGEST = 1e37
"""Numbers beyond it are taken for it: a network's float32 ends at 3.4e38."""


class ColumnStatistics(NamedTuple):
    """Of one column of some rows."""

    num_rows: int = 0
    num_missing: int = 0
    sums: ExactMoments = ExactMoments()
    """Of numbers; of days since 1970 for dates."""
    counts: Counter[str] = Counter()
    """Of a categorical column's values."""
    times_us: frozenset[int] = frozenset()
    """Times of day of a column of dates, two at most: all that matters is whether they vary."""

    def plus(self, other: ColumnStatistics) -> ColumnStatistics:
        """Of the rows of both."""
        return ColumnStatistics(
            self.num_rows + other.num_rows,
            self.num_missing + other.num_missing,
            self.sums.plus(other.sums),
            self.counts + other.counts,
            frozenset(sorted(self.times_us | other.times_us)[:2]),
        )


class Learned(NamedTuple):
    """Of one column of all train rows."""

    part: ColumnStatistics
    sample: Floats
    """Numbers or days, without missing ones, in no order that means anything; empty for categories."""


class _Look(NamedTuple):
    parts: dict[str, ColumnStatistics]
    row_codes: NDArray[np.uint64]
    quantities: Floats  # [rows, columns that have them]


def learn(rows: Rows, columns: Iterable[Column], num_rows: int) -> dict[str, Learned]:
    """Goes through train rows once; `num_rows` is about how many there are, for the share that is sampled."""
    columns = list(columns)
    measured = [column.name for column in columns if column.kind != "categorical"]
    sample, parts = Sample(len(measured)), {column.name: ColumnStatistics() for column in columns}
    for look in rows.map(partial(_look, columns=columns, num_rows=num_rows)):
        for name, part in look.parts.items():
            parts[name] = parts[name].plus(part)
        sample.add(look.row_codes, look.quantities)
    (drawn,) = sample.rows() or (np.empty((0, len(measured))),)
    samples = {name: drawn[:, place][~np.isnan(drawn[:, place])] for place, name in enumerate(measured)}
    return {name: Learned(part, samples.get(name, np.empty(0))) for name, part in parts.items()}


def _look(batch: pa.RecordBatch, columns: list[Column], num_rows: int) -> _Look:

    row_codes = hashing.of_row_ids(batch.column("row_id"))
    kept = may_be_sampled(row_codes, num_rows)
    parts, quantities = dict[str, ColumnStatistics](), [np.empty((int(kept.sum()), 0))]
    for column in columns:
        values = batch.column(column.name)
        if column.kind == "categorical":
            parts[column.name] = _counted(values)
            continue
        parts[column.name], found = _measured(values)
        quantities.append(found[kept, None])
    return _Look(parts, row_codes[kept], np.concatenate(quantities, axis=1))


def _counted(values: pa.Array) -> ColumnStatistics:

    found = pc.value_counts(values.drop_null())
    counts = dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))
    return ColumnStatistics(len(values), values.null_count, counts=Counter(counts))


def _measured(values: pa.Array) -> tuple[ColumnStatistics, Floats]:
    """Of a column of numbers or dates; `[rows]` is its numbers, or days since 1970."""
    given = values.to_numpy(zero_copy_only=False)
    times: frozenset[int] = frozenset()
    if pa.types.is_timestamp(values.type):
        found = date_part("days", given)
        clocks = given.astype("M8[us]").view("i8")[~np.isnat(given)] % DAY_US
        times = frozenset(np.unique(clocks)[:2].tolist())
    else:
        found = np.clip(given.astype(np.float64), -LARGEST, LARGEST)
    present = found[~np.isnan(found)]
    return ColumnStatistics(len(values), len(values) - len(present), ExactMoments.of(present), times_us=times), found
