"""The Ray Data engine, on a real session."""

import os

import pytest

from headrace.cluster.batch_engine import StoredRows, open_engine
from headrace.errors import DataError
from headrace.paths import Paths
from tests.cluster.row_work import EXPECTED, refuse, sum_values


@pytest.mark.ray
@pytest.mark.slow
def test_ray_data_keeps_the_order_and_raises_user_errors(rows_dir, tmp_path):
    with open_engine("ray", rows_dir, Paths(tmp_path)) as run:
        rows = StoredRows(rows_dir, run)
        results = list(rows.map(sum_values))
        assert [value for _, value in results] == EXPECTED
        assert os.getpid() not in {pid for pid, _ in results}
        with pytest.raises(DataError, match="50 is refused"):
            list(rows.map(refuse))
