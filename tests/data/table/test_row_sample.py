import numpy as np
import pytest

from headrace.data.table import row_sample
from headrace.data.table.row_sample import RowSample, find_sample_candidates

HASHES = np.random.default_rng(0).integers(0, 2**64, 50_000, np.uint64)
VALUES = np.arange(len(HASHES))


@pytest.fixture(autouse=True)
def small_sample(monkeypatch):
    monkeypatch.setattr(row_sample, "MAX_ROWS", 2000)


@pytest.mark.parametrize("part_rows", [7, 3000, 50_000])
def test_sample_is_the_rows_with_the_smallest_hashes_in_any_order(part_rows):
    sample = RowSample(1)
    for start in range(0, len(HASHES), part_rows)[::-1]:
        part = slice(start, start + part_rows)
        sample.add(HASHES[part], VALUES[part], -VALUES[part])
    first, second = sample.rows()
    assert first.tolist() == np.argsort(HASHES)[:2000].tolist()
    assert second.tolist() == (-first).tolist()


def test_small_table_is_its_own_sample():
    sample = RowSample(1)
    assert sample.rows() == ()
    sample.add(np.array([9, 3], np.uint64), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert sample.rows()[0].tolist() == [[3, 4], [1, 2]]


def test_sample_of_a_wide_table_has_fewer_rows(monkeypatch):
    monkeypatch.setattr(row_sample, "MAX_VALUES", 15_000)
    sample = RowSample(10)
    sample.add(HASHES, VALUES)
    assert len(sample.rows()[0]) == 1500


def test_candidates_contain_the_sample():
    is_candidate = find_sample_candidates(HASHES, len(HASHES))
    assert is_candidate[np.argsort(HASHES)[:2000]].all()
    assert 14_000 < is_candidate.sum() < 18_000  # 8 times the sample
    assert find_sample_candidates(HASHES, 10_000).all()
