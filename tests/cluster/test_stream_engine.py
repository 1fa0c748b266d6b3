"""Engines for streams: the same results in the same order, with a bounded number of arguments read ahead."""

import os

import pytest

from headrace.cluster.stream_engine import open_stream_engine
from headrace.errors import DataError
from headrace.paths import Paths
from tests.cluster.row_work import batch, refuse, sum_values


@pytest.mark.parametrize(
    ("name", "num_bytes"),
    [("auto", 0), ("local", 2**30), pytest.param("ray", 0, marks=[pytest.mark.ray, pytest.mark.slow])],
)
def test_results_are_in_order_and_arguments_are_not_read_ahead_of_the_work(tmp_path, monkeypatch, name, num_bytes):
    monkeypatch.setattr("headrace.cluster.stream_engine.num_local_cpus", lambda: 2)
    num_read = 0

    def read():
        nonlocal num_read
        for start in range(0, 400, 10):
            num_read += 1
            yield batch(start, 10)

    with open_stream_engine(name, num_bytes, Paths(tmp_path)) as engine:
        results = engine(sum_values, read())
        first = next(results)
        assert num_read < 40
        sums = [first, *results]
        with pytest.raises(DataError, match="50 is refused"):
            list(engine(refuse, read()))
    assert [value for _, value in sums] == [sum(range(start, start + 10)) for start in range(0, 400, 10)]
    assert (os.getpid() in {pid for pid, _ in sums}) == (num_bytes == 0 and name == "auto")
    assert engine.num_threads == (0 if name == "auto" else 1)
