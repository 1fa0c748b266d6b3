"""The line in which each row begins, which Arrow does not know."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.table.reading.delimited import reader
from headrace.data.table.reading.delimited.reader import open_delimited


def numbers_of(path, **table):
    file = open_delimited(path, ReadOptions(table=TableFormat(**table)), None)
    return [
        (number, next(iter(row.values())))
        for batch in file.batches
        for number, row in zip(batch.numbers.to_pylist(), batch.cells.to_pylist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n3,4\n", [(2, "1"), (3, "3")]),
        ("a,b\r\n1,2\r\n3,4", [(2, "1"), (3, "3")]),
        ("\n\na,b\n\n1,2\n  \n\n3,4\n\n", [(5, "1"), (8, "3")]),
        ('a,b\n"p\n\nq",4\n\n5,6\n', [(2, "p\n\nq"), (6, "5")]),
        ('"a\nb",c\n1,2\n', [(3, "1")]),
        ('a, b\n1, "x, y"\n\n2, "z"\n', [(2, "1"), (4, "2")]),  # Python's parser: blanks before quotes
        ("a b\n1  2\n \n 3 4 \n", [(2, "1"), (4, "3")]),
        ("a\tb\n\t\n1\t2\n", [(2, ""), (3, "1")]),  # a row of two empty cells, not a blank line
    ],
)
def test_lines_are_those_of_an_editor(tmp_path, text, expected):
    (tmp_path / "x.csv").write_bytes(text.encode())
    assert numbers_of(tmp_path / "x.csv", header=True) == expected


@given(
    rows=st.lists(st.tuples(st.text(st.sampled_from('ab,"\n '), min_size=1, max_size=6), st.just("x")), min_size=1),
    num_blank=st.lists(st.integers(0, 2), min_size=60, max_size=60),
    block=st.sampled_from([256, 1 << 20]),
)
def test_lines_are_counted_through_quotes_and_blank_lines(tmp_path_factory, rows, num_blank, block):
    text, expected = "first,second\n", []
    for row, blank in zip(rows, num_blank, strict=False):
        text += "\n" * blank
        expected.append((text.count("\n") + 1, row[0]))
        written = io.StringIO()
        csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(row)
        text += written.getvalue()
    path = tmp_path_factory.mktemp("any") / "x.csv"
    path.write_text(text, newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "BLOCK_BYTES", block)
        assert numbers_of(path, header=True, delimiter=",", quoting=True) == expected
