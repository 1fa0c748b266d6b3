import datetime as dt
import json
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.parquet import open_parquet
from headrace.errors import DataError


def read(tmp_path, table, expected=None, **options):
    pq.write_table(table, tmp_path / "x.parquet")
    file = open_parquet(tmp_path / "x.parquet", ReadOptions(**options), expected)
    return file.names, [list(row.values()) for batch in file.batches for row in batch.cells.to_pylist()]


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        (pa.array([1, None, -3]), ["1", None, "-3"]),
        (pa.array([0.1, float("nan"), 1e300]), ["0.1", None, "1e+300"]),
        (pa.array(np.array([0.1, 2.5], np.float32)), ["0.1", "2.5"]),
        (pa.array(np.array([0.5], np.float16)), ["0.5"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array(["x", None]), ["x", None]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
        (pa.array([dt.date(2024, 2, 29)]), ["2024-02-29"]),
        (pa.array([np.datetime64("2024-02-29T01:02:03", "s")]), ["2024-02-29 01:02:03.000"]),
        (
            pa.array([dt.datetime(2024, 2, 29, 1, 2, 3, tzinfo=dt.UTC)], pa.timestamp("s", "UTC")),
            ["2024-02-29 01:02:03.000Z"],
        ),
        (pa.array([dt.timedelta(seconds=3)], pa.duration("s")), ["3"]),
        (pa.array([Decimal("1.50")]), ["1.50"]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_scalars_become_text(tmp_path, column, cells):
    assert read(tmp_path, pa.table({"a": column})) == (["a"], [[cell] for cell in cells])


def test_pandas_index_is_dropped_and_column_order_is_free(tmp_path):
    table = pa.table({"a": [1], "__index_level_0__": [9], "b": [2]})
    assert read(tmp_path, table, expected=["b", "a"]) == (["a", "b"], [["1", "2"]])


@pytest.mark.parametrize(
    ("column", "kind"),
    [(pa.array([[1]]), "list"), (pa.array([{"x": 1}]), "struct"), (pa.array([b"x"]), "binary")],
)
def test_columns_of_non_scalars_raise(tmp_path, column, kind):
    with pytest.raises(DataError, match=rf"x.parquet: column 'a' contains {kind}.*; cells must be texts, numbers"):
        read(tmp_path, pa.table({"a": column}))


def test_damaged_file_raises(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(9999))}), path)
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    with pytest.raises(DataError, match=r"x.parquet: not readable as Parquet \("):
        open_parquet(path, ReadOptions(), None)
    path.write_bytes(content[:4] + b"\xff" * 2000 + content[2004:])
    file = open_parquet(path, ReadOptions(), None)
    with pytest.raises(DataError, match=r"x.parquet: not readable as Parquet \("):
        list(file.batches)


def test_compressed_parquet_raises(tmp_path):
    with pytest.raises(DataError, match=r"compressed Parquet files cannot be read in parts; decompress it"):
        open_parquet(tmp_path / "x.parquet.gz", ReadOptions(), None)


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.int64())])
def test_lists_are_read_only_in_the_target(tmp_path, kind):
    names = ["war", "comedy"] if kind.value_type == pa.string() else [7, 5]
    table = pa.table({"a": [1, 2, 3], "y": pa.array([names, [], None], kind)})
    rows = read(tmp_path, table, target="y")[1]
    assert [row[1] for row in rows] == ['["comedy", "war"]' if names[0] == "war" else '["5", "7"]', "[]", None]
    with pytest.raises(DataError, match="column 'y' contains .*; flatten it, remove it, or name it as ingest.target"):
        read(tmp_path, table)


FEATURES = {
    "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
    "tags": {"feature": {"names": ["fur", "tail"], "_type": "ClassLabel"}, "_type": "Sequence"},
    "size": {"dtype": "int64", "_type": "Value"},
}


def test_class_names_of_hugging_face_are_read_from_the_schema(tmp_path):
    table = pa.table({"label": [1, 0, -1, None], "tags": [[0, 1], [], None, [5]], "size": [1, 2, 3, 4]})
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    _, rows = read(tmp_path, table.replace_schema_metadata(metadata), target="tags")
    assert rows == [["dog", '["fur", "tail"]', "1"], ["cat", "[]", "2"], [None, None, "3"], [None, "[]", "4"]]


@pytest.mark.parametrize("metadata", [b"{", b"[]", b'{"info": null}', b'{"info": {"features": {"label": 3}}}'])
def test_other_metadata_is_ignored(tmp_path, metadata):
    _, rows = read(tmp_path, pa.table({"label": [1, 0]}).replace_schema_metadata({b"huggingface": metadata}))
    assert rows == [["1"], ["0"]]
