import gzip

import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.arff import open_arff

HEADER = """% a comment

@RELATION 'some data'
@attribute a NUMERIC
@Attribute 'b c' {red, 'dark blue', "x"}
@attribute "d\\'s" string
@attribute e date "yyyy-MM-dd HH:mm:ss"
@DATA
"""


def read(path):
    opened = open_arff(path, ReadOptions(), None)
    rows = list(opened.batches)
    cells = [list(row.values()) for batch in rows for row in batch.cells.to_pylist()]
    return opened.names, cells, [number for batch in rows for number in batch.numbers.to_pylist()]


def test_names_and_rows(tmp_path):
    lines = (
        "1, red, plain text, 2024-01-02\n% a comment\n\n?,'dark blue' ,\"it's, \\\"so\\\"\", ?\n 3.5,?,'','?'\n4,x,,\n"
    )
    (tmp_path / "x.arff.gz").write_bytes(gzip.compress((HEADER + lines).encode()))
    names, cells, numbers = read(tmp_path / "x.arff.gz")
    assert names == ["a", "b c", "d's", "e"]
    assert cells == [
        ["1", "red", "plain text", "2024-01-02"],
        [None, "dark blue", 'it\'s, "so"', None],
        ["3.5", None, "", "?"],
        ["4", "x", "", ""],
    ]
    assert numbers == [9, 12, 13, 14]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("'a','b'", ["a", "b"]),
        ("'a',", ["a", ""]),
        (",'a'", ["", "a"]),
        ("'a\\tb', \"c\\nd\"", ["a\tb", "c\nd"]),
        ("'', ''", ["", ""]),
        ("'%', 3", ["%", "3"]),
    ],
)
def test_quoted_cells(tmp_path, line, cells):
    (tmp_path / "x.arff").write_text(f"@relation r\n@attribute a string\n@attribute b string\n@data\n{line}\n")
    assert read(tmp_path / "x.arff")[1] == [cells]
