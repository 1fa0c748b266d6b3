import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import DataError
from headrace.storage.parquet import write_shards
from headrace.storage.split_index import find_positions, is_in_split, read_row_ids, read_rows, to_ascii_ids
from tests.drawn import row_id

SCHEMA = pa.schema([("row_id", pa.string()), ("split", pa.string())])


def write_split(folder, splits):
    folder.mkdir(exist_ok=True)
    ids = [row_id(index) for index in range(len(splits))]
    write_shards(folder, SCHEMA, pa.table([ids, splits], schema=SCHEMA).to_batches(max_chunksize=3))
    return folder


def test_read_row_ids_are_sorted(tmp_path):
    folder = write_split(tmp_path / "split", ["train", "test", "train", "val", "train"])
    assert read_row_ids(folder, "train").tolist() == sorted(row_id(index).encode() for index in (0, 2, 4))
    assert read_row_ids(folder, "unused").tolist() == []


def test_is_in_split_of_each_row(tmp_path):
    folder = write_split(tmp_path / "split", ["train", "test", "train", "val"])
    row_ids = pa.array([row_id(index) for index in (3, 2, 9, 0)])
    assert is_in_split(row_ids, folder, "train").to_pylist() == [False, True, False, True]
    assert is_in_split(row_ids, folder, "unused").to_pylist() == [False] * 4
    assert is_in_split(pa.array([], pa.string()), folder, "train").to_pylist() == []


def test_is_in_split_reads_a_changed_split(tmp_path):
    folder = write_split(tmp_path / "split", ["train", "test"])
    row_ids = pa.array([row_id(0), row_id(1)])
    assert is_in_split(row_ids, folder, "test").to_pylist() == [False, True]
    write_split(folder, ["test", "train"])
    assert is_in_split(row_ids, folder, "test").to_pylist() == [True, False]


@given(st.sets(st.binary(min_size=1, max_size=4)), st.lists(st.binary(min_size=1, max_size=4)))
def test_find_positions_of_known_and_unknown_ids(known, wanted):
    known = {key.rstrip(b"\0") or b"0" for key in known}
    wanted = [key.rstrip(b"\0") or b"0" for key in wanted]
    ids = np.sort(np.array(list(known), "S32")) if known else np.empty(0, "S32")
    places, is_here = find_positions(np.array(wanted, "S32") if wanted else np.empty(0, "S32"), ids)
    assert is_here.tolist() == [key in known for key in wanted]
    assert [ids[place] for place in places[is_here]] == [key for key in wanted if key in known]


@pytest.mark.parametrize("kind", [pa.array, pa.chunked_array])
def test_to_ascii_ids_of_arrow(kind):
    ids = [row_id(0), row_id(1)]
    assert to_ascii_ids(kind(ids if kind is pa.array else [ids[:1], ids[1:]])).tolist() == [
        text.encode() for text in ids
    ]
    assert to_ascii_ids(kind([], pa.string())).dtype == "S32"


def test_read_rows_are_in_the_order_of_the_ids(tmp_path):
    folder = write_split(tmp_path / "split", ["train", "test", "train", "val", "train"])
    wanted = np.sort(np.array([row_id(index).encode() for index in (3, 0, 1)], "S32"))
    splits = {row_id(index).encode(): split for index, split in ((3, "val"), (0, "train"), (1, "test"))}
    assert read_rows(folder, wanted, ["split"])["split"].to_pylist() == [splits[each] for each in wanted.tolist()]
    assert read_rows(folder, wanted[:0], ["split"]).num_rows == 0
    with pytest.raises(DataError, match=r"split: has 0 of 1 rows of a split; run: dvc repro"):
        read_rows(folder, np.array([row_id(9).encode()], "S32"), ["split"])
