import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.table.reading.delimited import reader
from headrace.data.table.reading.delimited.reader import open_delimited
from headrace.errors import DataError


def rows_of(path: Path, expected: list[str] | None = None, **table: object) -> list[list[str]]:
    file = open_delimited(path, ReadOptions(table=TableFormat(**table)), expected)
    return [list(row.values()) for batch in file.batches for row in batch.cells.to_pylist()]


def read(tmp_path: Path, text: str, **table: object) -> list[list[str]]:
    (tmp_path / "x.csv").write_bytes(text.encode())
    return rows_of(tmp_path / "x.csv", **table)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n3,4\n", [["1", "2"], ["3", "4"]]),
        ("a,b\r\n1,2\r\n3,4", [["1", "2"], ["3", "4"]]),
        ("a,b\r1,2\r3,4\r", [["1", "2"], ["3", "4"]]),
        ("a,b\n1,2\n\n3,4\n\n  \n", [["1", "2"], ["3", "4"]]),  # empty lines
        ('a,b\n"x, ""y""",2\n"p\nq",4\n', [['x, "y"', "2"], ["p\nq", "4"]]),
        ('a, b\n1, "x, y"\n2, "z"\n', [["1", "x, y"], ["2", "z"]]),
        (" a   b\n 1.0  2\n 3 \t 4 \n", [["1.0", "2"], ["3", "4"]]),
        ("a\tb\n1\t\n\t4\n", [["1", ""], ["", "4"]]),
    ],
)
def test_rows_are_read(tmp_path, text, rows):
    assert read(tmp_path, text) == rows


def test_detected_format_is_returned(tmp_path):
    (tmp_path / "x.csv").write_text("1;a\n2;b\n")
    file = open_delimited(tmp_path / "x.csv", ReadOptions(), None)
    assert (file.table.delimiter, file.table.header) == (";", False)


@given(
    rows=st.lists(st.tuples(*[st.text(st.sampled_from('ab,"\n \u00e9'), max_size=6)] * 2), min_size=1, max_size=12),
    block=st.sampled_from([64, 1 << 20]),
)
def test_files_written_by_python_are_read(tmp_path_factory, rows, block):
    """With either parser: rows longer than a block are too long for Arrow."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("first", "second"), *rows])
    path = tmp_path_factory.mktemp("any") / "x.csv"
    path.write_text(written.getvalue(), newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "BLOCK_BYTES", block)
        assert rows_of(path, header=True, delimiter=",", quoting=True) == [list(row) for row in rows]


@pytest.mark.parametrize("at", [0, 700, 1999])
def test_row_longer_than_a_block_falls_back_to_python(tmp_path, monkeypatch, at):
    monkeypatch.setattr(reader, "BLOCK_BYTES", 4096)
    rows = [[str(index), "x" * 9000 if index == at else "y"] for index in range(2000)]
    assert read(tmp_path, "a,b\n" + "".join(f'{a},"{b}"\n' for a, b in rows)) == rows


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a,b\n1,2\n3\n4,5\n", "line 3: has 1 cells, the table has 2 columns (delimiter ','"),
        ("a,b\n1,2\n\n3,4,5\n6,7\n", "line 4: has 3 cells, the table has 2 columns"),
        ('a,b\n"x\ny",2\n3\n4,5\n6,7\n', "line 4: has 1 cells"),  # lines, not rows
        ('a,b\n1,2\n3,"4\n5,6\n', "line 3: a quote opens that does not close"),
        ('a,b\n1,2\n"3,4\n5,6\n', "line 3: a quote opens that does not close"),
    ],
)
def test_malformed_rows_raise_with_line(tmp_path, text, line):
    with pytest.raises(DataError) as error:
        read(tmp_path, text, header=True, quoting=True, delimiter=",")
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_ragged_row_beyond_the_sample_raises(tmp_path):
    text = "a,b\n" + "1000,2000\n" * 150_000 + "1,2,3\n"  # beyond the sample that the format is detected from
    with pytest.raises(DataError, match=r"x.csv: line 150002: has 3 cells, the table has 2 columns"):
        read(tmp_path, text)


def test_columns_of_another_shard(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert rows_of(tmp_path / "x.csv", expected=["b", "a"]) == [["1", "2"]]  # `build_raw_batches` reorders them
    with pytest.raises(DataError, match=r"x.csv: is not a shard .*: columns \['c'\] are missing, \['b'\] are extra"):
        rows_of(tmp_path / "x.csv", expected=["a", "c"])
