import numpy as np
import pyarrow as pa
import pytest

from headrace.data.table.cleaning import column_counts
from headrace.data.table.cleaning.cells import TypedColumn
from headrace.data.table.cleaning.column_counts import ColumnCounts, count_column, estimate_distinct, merge_counts


def count(cells: list, kind: str = "numeric", first_row: int = 0) -> ColumnCounts:
    raw = pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
    return count_column(TypedColumn(raw, kind), np.arange(first_row, first_row + len(cells)).astype(np.uint64))


def test_count_column_of_numbers() -> None:
    counts = count([3, None, "x", 5.5, "inf"])
    assert (counts.num_missing, counts.num_broken, counts.low, counts.high) == (2, 1, 3.0, 5.5)
    assert (counts.is_integer, counts.is_counting) == (False, False)


@pytest.mark.parametrize("cut", [1, 5, 99])
@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_merge_counts_equals_the_counts_of_all_rows(kind: str, cut: int) -> None:
    cells = [row % 60 for row in range(100)]
    whole, merged = count(cells, kind), merge_counts(count(cells[:cut], kind), count(cells[cut:], kind, cut))
    np.testing.assert_array_equal(merged.smallest_hashes, whole.smallest_hashes)
    assert str(merged._replace(smallest_hashes=0)) == str(whole._replace(smallest_hashes=0))  # as text: NaN != NaN


def test_is_counting_across_batches_needs_consecutive_rows() -> None:
    assert merge_counts(count([1, 2]), count([3, 4])).is_counting
    assert not merge_counts(count([1, 2]), count([4, 5])).is_counting
    assert not merge_counts(count([1, 2]), count([None, 4])).is_counting


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_estimate_distinct_of_many_values(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(column_counts, "MAX_DISTINCT", 1000)
    cells = [row % 5000 for row in range(10_000)]
    counts = merge_counts(count(cells[:6000], kind), count(cells[6000:], kind, 6000))
    assert estimate_distinct(counts) == pytest.approx(5000, rel=0.1)
    assert estimate_distinct(count(cells[:999], kind)) == 999
