import pyarrow as pa

from headrace.splitting.rarest import NONE, rarest


def test_rows_go_by_the_label_that_fewest_have_then_by_the_alphabet():
    labels = ['["a", "b"]', '["a"]', '["a", "c"]', "[]", '["b", "c"]']  # a: 3, b: 2, c: 2
    assert rarest(pa.chunked_array([labels[:2], labels[2:]])).to_pylist() == ["b", "a", "c", NONE, "b"]
