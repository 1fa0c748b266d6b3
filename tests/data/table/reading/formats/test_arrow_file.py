import pyarrow as pa
import pytest
from pyarrow import feather

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.arrow_file import open_arrow, open_orc
from headrace.errors import DataError
from tests.table_files import make_rows, write_arrow_stream, write_orc


def test_the_content_decides_whether_it_is_a_file_or_a_stream(tmp_path):
    table = pa.table({"a": list(range(20_000)), "b": ["x", None] * 10_000})
    feather.write_feather(table, str(tmp_path / "file.arrow"), compression="zstd", chunksize=15_000)
    with pa.ipc.new_stream(str(tmp_path / "stream.arrow"), table.schema) as stream:
        stream.write_table(table)
    for name in ("file.arrow", "stream.arrow"):
        opened = open_arrow(tmp_path / name, ReadOptions(), None)
        batches = list(opened.batches)
        assert (opened.names, opened.numbering) == (["a", "b"], "index")
        assert [cell for rows in batches for cell in rows.cells.column("a").to_pylist()] == list(
            map(str, range(20_000))
        )
        assert [number for rows in batches for number in rows.numbers.to_pylist()] == list(range(20_000))
        assert max(rows.cells.num_rows for rows in batches) <= 8192


def test_orc_is_read_by_its_stripes(tmp_path):
    rows = make_rows(30)
    write_orc(tmp_path / "x.orc", rows)
    opened = open_orc(tmp_path / "x.orc", ReadOptions(), list(rows[0]))
    (batch,) = opened.batches
    assert batch.cells.column("seen").to_pylist() == [str(row["seen"]) for row in rows]


@pytest.mark.parametrize("open_file", [open_arrow, open_orc])
def test_compressed_files_and_other_columns_raise(tmp_path, open_file):
    with pytest.raises(DataError, match=r"files cannot be read in parts; decompress it"):
        open_file(tmp_path / "x.arrow.gz", ReadOptions(), None)
    path = tmp_path / "x"
    (write_orc if open_file is open_orc else write_arrow_stream)(path, make_rows(3))
    with pytest.raises(DataError, match="is not a shard of the same table"):
        open_file(path, ReadOptions(), ["a"])
