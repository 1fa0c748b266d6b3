import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from headrace.modalities.table.row_ids import RowIds

CELLS = st.sampled_from(["a", "b", "", None, "\u00e9"])


def ids_of(rows, batch_rows=1000):
    made, ids = RowIds(), []
    for start in range(0, len(rows), batch_rows):
        columns = zip(*rows[start : start + batch_rows], strict=True)
        ids += made.of([pa.array(column, pa.string()) for column in columns]).to_pylist()
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


def test_many_batches_are_remembered():
    rows = [(str(number), "x") for number in range(5000)]
    ids = ids_of([*rows, *rows, *rows], batch_rows=64)
    assert len(set(ids)) == 15_000
    assert ids[:5000] == ids_of(rows)
