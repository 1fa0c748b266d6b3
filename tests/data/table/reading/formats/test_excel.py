import datetime as dt

import pytest

from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.table.reading.formats.excel import open_excel
from tests.table_files import write_old_workbook, write_workbook

DATE = dt.date(2024, 2, 29)
TABLE = [["id", "when", "ok", "label"], [1234, DATE, True, "p"], [12345678901234, None, None, "#N/A"]]


def read(path, **table):
    opened = open_excel(path, ReadOptions(table=TableFormat(**table)), None)
    rows = list(opened.batches)
    cells = [list(row.values()) for batch in rows for row in batch.cells.to_pylist()]
    return opened, cells, [number for batch in rows for number in batch.numbers.to_pylist()]


def texts(opened):
    return [assumption.text for assumption in opened.assumptions]


def test_the_first_sheet_with_rows_is_read_and_the_others_are_named(tmp_path):
    write_workbook(tmp_path / "x.xlsx", {"cover": [["a title"]], "data": TABLE, "notes": TABLE[:2]})
    opened, cells, numbers = read(tmp_path / "x.xlsx")
    assert opened.names == TABLE[0]
    assert cells == [["1234", "2024-02-29", "true", "p"], ["12345678901234", None, None, None]]
    assert numbers == [2, 3]
    assert texts(opened) == [
        "sheet 'data' is read, the first with rows, and not 'cover', 'notes'",
        "1 cells of the workbook are errors, such as #N/A; they are read as empty",
    ]
    assert opened.assumptions[0].setting == 'ingest.table.sheet: "cover"'


def test_the_sheet_of_the_settings(tmp_path):
    write_workbook(tmp_path / "x.xlsx", {"data": TABLE[:2], "more": [["a", "b"], [1, 0.5]]})
    opened, cells, _ = read(tmp_path / "x.xlsx", sheet="more")
    assert (opened.names, cells, texts(opened)) == (["a", "b"], [["1", "0.5"]], [])


def test_the_header_is_found_below_titles(tmp_path):
    rows = [["Report of 2024"], [], [None, "for the board"], *TABLE[:2], [], *TABLE[1:2]]
    write_workbook(tmp_path / "x.xlsx", {"data": rows})
    opened, cells, numbers = read(tmp_path / "x.xlsx")
    assert opened.names == TABLE[0]
    assert len(cells) == 2
    assert numbers == [5, 7]
    assert texts(opened) == ["the table begins in row 4; 2 rows above it are left out"]
    assert opened.assumptions[0].is_warning
    opened, cells, numbers = read(tmp_path / "x.xlsx", skip_lines=4, header=False)
    assert (opened.names, numbers) == ([f"column_{index}" for index in range(4)], [5, 7])


@pytest.mark.parametrize(
    ("rows", "table", "names", "num_rows"),
    [
        ([[1, 2], [3, 4]], {}, ["column_0", "column_1"], 2),
        ([["a", "b", None], [1, 2, 3]], {}, ["a", "b", "column_2"], 1),
        ([["a title", None], ["a", "b"], [1, 2]], {}, ["a", "b"], 1),
        ([[None, "a"], [0, 2], [1, 3]], {"header": True}, ["column_0", "a"], 2),
        ([[2001, 2002.5], [3, 4]], {"header": True}, ["2001", "2002.5"], 1),
        ([["p", 1], ["q", 2]], {"names": ["x", "y"]}, ["x", "y"], 2),
        ([["a", None, "b"], [1, None, 2]], {}, ["a", "b"], 1),
    ],
)
def test_headers(tmp_path, rows, table, names, num_rows):
    write_workbook(tmp_path / "x.xlsx", {"data": rows})
    opened, cells, _ = read(tmp_path / "x.xlsx", **table)
    assert (opened.names, len(cells)) == (names, num_rows)


def test_workbooks_of_the_old_format(tmp_path):
    write_old_workbook(tmp_path / "x.xls")
    opened, cells, numbers = read(tmp_path / "x.xls")
    assert opened.names == ["id", "name", "when", "label"]
    assert cells == [["1234", "a", "2024-02-29", "p"], ["1235", "b", "2024-03-01", "q"]]
    assert numbers == [2, 3]
