"""Statistics of the train rows, by column: moments, counts of values, and a sample for medians and quantiles."""

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
from headrace.data.table.encoding.encode import DAY_US, extract_date_part
from headrace.data.table.row_sample import RowSample, find_sample_candidates
from headrace.storage.column_names import to_stored_name

Floats = NDArray[np.float64]

MANTISSA_BITS = 53


class Moments(NamedTuple):
    """Count, sum and sum of squares, exact: the mean and deviation do not depend on row order or batch size."""

    num_values: int = 0
    total: Fraction = Fraction(0)
    squares: Fraction = Fraction(0)

    @classmethod
    def from_values(cls, values: Floats) -> Moments:
        """Sums finite values as integers, one group per binary exponent."""
        mantissas, exponents = np.frexp(values)
        integers = np.ldexp(mantissas, MANTISSA_BITS).astype(np.int64)
        total = squares = Fraction(0)
        for exponent in np.unique(exponents).tolist():
            group, unit = integers[exponents == exponent].tolist(), Fraction(2) ** (exponent - MANTISSA_BITS)
            total += sum(group) * unit
            squares += sum(integer * integer for integer in group) * unit**2
        return cls(len(values), total, squares)

    def merge(self, other: Moments) -> Moments:
        """Returns the moments of both sets of values together."""
        return Moments(self.num_values + other.num_values, self.total + other.total, self.squares + other.squares)

    def mean_std(self) -> tuple[float, float]:
        """Returns the mean and population standard deviation; raises ZeroDivisionError if there are no values."""
        mean = self.total / self.num_values
        return float(mean), sqrt(self.squares / self.num_values - mean**2)


class ColumnStatistics(NamedTuple):
    """Statistics of one column over some rows."""

    num_rows: int = 0
    num_missing: int = 0
    moments: Moments = Moments()
    """For numbers, and for dates as days since 1970."""
    counts: Counter[str] = Counter()
    """Rows per value of a categorical column."""
    times_us: frozenset[int] = frozenset()
    """Up to two distinct times of day of a date column: enough to see whether they vary."""

    def merge(self, other: ColumnStatistics) -> ColumnStatistics:
        """Returns the statistics of both sets of rows together."""
        return ColumnStatistics(
            self.num_rows + other.num_rows,
            self.num_missing + other.num_missing,
            self.moments.merge(other.moments),
            self.counts + other.counts,
            frozenset(sorted(self.times_us | other.times_us)[:2]),
        )


class LearnedColumn(NamedTuple):
    """Statistics of one column over all train rows."""

    statistics: ColumnStatistics
    sample: Floats
    """Present numbers or days of the sampled rows, in arbitrary order; empty for categories."""


class _BatchStatistics(NamedTuple):
    columns: dict[str, ColumnStatistics]
    row_hashes: NDArray[np.uint64]
    quantities: Floats  # [rows, numeric and date columns]


def collect_statistics(rows: Rows, columns: Iterable[Column], num_rows: int) -> dict[str, LearnedColumn]:
    """Reads the train rows once; `num_rows`, their approximate number, sets the sampled fraction."""
    columns = list(columns)
    numeric = [column.name for column in columns if column.kind != "categorical"]
    sample, totals = RowSample(len(numeric)), {column.name: ColumnStatistics() for column in columns}
    for batch in rows.map(partial(_collect_batch, columns=columns, num_rows=num_rows)):
        for name, statistics in batch.columns.items():
            totals[name] = totals[name].merge(statistics)
        sample.add(batch.row_hashes, batch.quantities)
    (drawn,) = sample.rows() or (np.empty((0, len(numeric))),)
    samples = {name: drawn[:, index][~np.isnan(drawn[:, index])] for index, name in enumerate(numeric)}
    return {name: LearnedColumn(total, samples.get(name, np.empty(0))) for name, total in totals.items()}


def _collect_batch(batch: pa.RecordBatch, columns: list[Column], num_rows: int) -> _BatchStatistics:
    row_hashes = hashing.hash_row_ids(batch.column("row_id"))
    is_candidate = find_sample_candidates(row_hashes, num_rows)
    statistics, quantities = dict[str, ColumnStatistics](), [np.empty((int(is_candidate.sum()), 0))]
    for column in columns:
        cells = batch.column(to_stored_name(column.name))
        if column.kind == "categorical":
            statistics[column.name] = _count_values(cells)
            continue
        statistics[column.name], values = _measure(cells)
        quantities.append(values[is_candidate, None])
    return _BatchStatistics(statistics, row_hashes[is_candidate], np.concatenate(quantities, axis=1))


def _count_values(cells: pa.Array) -> ColumnStatistics:
    counted = pc.value_counts(cells.drop_null())
    counts = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    return ColumnStatistics(len(cells), cells.null_count, counts=Counter(counts))


def _measure(cells: pa.Array) -> tuple[ColumnStatistics, Floats]:
    """Statistics of a numeric or date column, and its numbers or days since 1970, `[rows]`."""
    array = cells.to_numpy(zero_copy_only=False)
    times: frozenset[int] = frozenset()
    if pa.types.is_timestamp(cells.type):
        values = extract_date_part("days", array)
        clocks = array.astype("M8[us]").view("i8")[~np.isnat(array)] % DAY_US
        times = frozenset(np.unique(clocks)[:2].tolist())
    else:
        values = array.astype(np.float64)
    present = values[~np.isnan(values)]
    moments = Moments.from_values(present)
    return ColumnStatistics(len(cells), len(cells) - len(present), moments, times_us=times), values
