import numpy as np
import pyarrow as pa

from headrace.storage.parquet import write_shards


def test_read_rows_reads_clean_rows_by_position(make_subject, tmp_path):
    subject = make_subject(
        np.zeros((6, 1), np.float32), np.zeros(6, np.int64), lambda _: np.eye(2)[[0] * 6], classes=["a", "b"]
    )
    names = [row_id.decode() for row_id in subject.predictions.arrays.row_ids]
    order = [3, 0, 5, 1, 4, 2]
    table = pa.table({"row_id": [names[row] for row in order], "cell": [f"cell {row}" for row in order]})
    (tmp_path / "clean").mkdir()
    write_shards(tmp_path / "clean", table.schema, table.to_batches(max_chunksize=2))
    assert subject.read_rows(np.array([1, 2, 5]), ["cell"])["cell"].to_pylist() == ["cell 1", "cell 2", "cell 5"]
