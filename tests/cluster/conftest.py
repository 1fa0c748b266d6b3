"""A folder of shards, shared by the tests of the engines."""

import pytest

from headrace.storage.parquet import write_shards
from tests.cluster.row_work import SCHEMA, batch


@pytest.fixture
def rows_dir(tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    write_shards(folder, SCHEMA, [batch(start, 10) for start in range(0, 200, 10)])
    return folder
