import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.data.table.reading.rows import (
    ROWS_PER_BATCH,
    RowIds,
    RowLayout,
    ShardRows,
    build_raw_batches,
    build_raw_schema,
)
from headrace.data.table.reading.table_file import FileRows
from headrace.errors import DataError

LAYOUT = RowLayout(targets=["y"], split_column=None, missing=["", "?"], dotted={})


def shard(batch, split=None):
    """The rows of a file whose first row is in line 2."""
    numbers = pa.array(range(2, 2 + batch.num_rows), pa.int64())
    return ShardRows("rows.csv", split, "line", iter([FileRows(batch, numbers)]))


def raw(columns, layout=LAYOUT, split=None):
    batch = pa.record_batch({name: pa.array(cells, pa.string()) for name, cells in columns.items()})
    batches = list(build_raw_batches([shard(batch, split)], list(columns), layout))
    return pa.Table.from_batches(batches, build_raw_schema(columns, layout))


def test_raw_rows_have_ids_labels_splits_and_input_columns():
    table = raw({"a": [" x ", "?"], "y": ["p", ""], "text": ["", "t"]}, split="val")
    assert table.schema.names == ["row_id", "label", "split", "source", "a", "text_"]
    assert [list(row.values())[1:] for row in table.to_pylist()] == [
        ["p", "val", "rows.csv:2", "x", None], [None, "val", "rows.csv:3", None, "t"],
    ]  # fmt: skip


def test_batches_are_limited_to_rows_per_batch():
    batch = pa.record_batch({"a": ["x"] * 3000, "y": ["p"] * 3000})
    batches = list(build_raw_batches([shard(batch)], ["a", "y"], LAYOUT))
    assert [rows.num_rows for rows in batches] == [ROWS_PER_BATCH, ROWS_PER_BATCH, 3000 - 2 * ROWS_PER_BATCH]


def test_columns_in_another_order_give_the_same_rows():
    batches = [pa.record_batch({"a": ["x"], "y": ["p"]}), pa.record_batch({"y": ["p"], "a": ["x"]})]
    first, second = (next(build_raw_batches([shard(batch)], ["a", "y"], LAYOUT)) for batch in batches)
    assert first.equals(second)


def test_split_column_gives_official_splits():
    layout = LAYOUT._replace(split_column="part")
    table = raw({"part": ["Train", "dev", "testing", None], "y": ["p"] * 4, "a": ["1", "2", "3", "4"]}, layout)
    assert table["split"].to_pylist() == ["train", "val", "test", None]
    assert table.schema.names == ["row_id", "label", "split", "source", "a"]
    with pytest.raises(
        DataError, match=r"ingest.split_column: column 'part' contains 'fold1'; must be one of \['train'"
    ):
        raw({"part": ["fold1"], "y": ["p"]}, layout)


def test_trailing_dots_are_removed_only_in_dotted_splits():
    layout = LAYOUT._replace(dotted={"test": ["p", "q"]})
    columns = {"a": ["1", "2"], "y": ["p.", "r."]}
    assert raw(columns, layout, "test")["label"].to_pylist() == ["p", "r."]
    assert raw(columns, layout, "train")["label"].to_pylist() == ["p.", "r."]


CELLS = st.sampled_from(["a", "b", "", None, "\u00e9"])


def ids_of(rows, batch_rows=1000):
    row_ids, ids = RowIds(), []
    for start in range(0, len(rows), batch_rows):
        columns = zip(*rows[start : start + batch_rows], strict=True)
        ids += row_ids.assign([pa.array(column, pa.string()) for column in columns]).to_pylist()
    return ids


def test_ids_are_fixed():
    # other ids would move rows between splits
    assert ids_of([("a", "1")] * 2) == ["b4feb303ba68581ff5140f67114e15e6", "75ecb58634ed30dca9f1c2d4c27a08af"]


@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=60), batch_rows=st.integers(1, 9), data=st.data())
def test_ids_do_not_depend_on_order_batches_or_further_rows(rows, batch_rows, data):
    ids = ids_of(rows)
    assert len(set(ids)) == len(rows)
    assert ids_of(rows, batch_rows) == ids
    assert set(ids_of(data.draw(st.permutations(rows)), batch_rows)) == set(ids)
    assert ids_of([*rows, ("new", "row")])[: len(rows)] == ids


def test_missing_and_empty_and_moved_cells_differ():
    assert len(set(ids_of([("a", ""), ("a", None), ("", "a"), (None, "a")]))) == 4


def test_ids_are_unique_over_many_batches():
    rows = [(str(number), "x") for number in range(5000)]
    ids = ids_of([*rows, *rows, *rows], batch_rows=64)
    assert len(set(ids)) == 15_000
    assert ids[:5000] == ids_of(rows)
