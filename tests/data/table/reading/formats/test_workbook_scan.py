import zipfile

import pytest

from headrace.data.table.reading.formats import workbook_scan
from headrace.data.table.reading.formats.workbook_scan import inspect_workbook
from headrace.errors import DataError
from tests.table_files import write_old_workbook, write_workbook


def test_errors_are_counted_over_all_sheets(tmp_path):
    write_workbook(tmp_path / "x.xlsx", {"a": [["#N/A", 1, "#DIV/0!"]], "b": [["#REF!"]], "c": [["x"]]})
    assert inspect_workbook(tmp_path / "x.xlsx") == 3


def test_errors_are_counted_across_blocks(tmp_path, monkeypatch):
    for size in (7, 64, 1000):
        monkeypatch.setattr(workbook_scan, "BLOCK_BYTES", size)
        write_workbook(tmp_path / f"{size}.xlsx", {"a": [["#N/A"] * 3 for _ in range(50)]})
        assert inspect_workbook(tmp_path / f"{size}.xlsx") == 150


@pytest.mark.parametrize("place", [b"ZZ9", b"A1000", b"a1000"])
def test_the_size_of_a_sheet_is_limited(tmp_path, monkeypatch, place):
    monkeypatch.setattr(workbook_scan, "MAX_CELLS", 999)
    with zipfile.ZipFile(tmp_path / "x.xlsx", "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b'<c r="A1"/><c r="A2"/><c r = \'' + place + b"' />")
    if place == b"ZZ9":
        with pytest.raises(DataError, match="spans 9 rows and 702 columns, more than the 999 cells that are read"):
            inspect_workbook(tmp_path / "x.xlsx")
    else:
        with pytest.raises(DataError, match="spans 1,000 rows and 1 columns"):
            inspect_workbook(tmp_path / "x.xlsx")


def test_old_workbooks_are_opened_in_another_process_first(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook_scan, "TRIAL_MEMORY_BYTES", 2**29)
    write_old_workbook(tmp_path / "x.xls")
    assert inspect_workbook(tmp_path / "x.xls") == 0
    (tmp_path / "y.xls").write_bytes((tmp_path / "x.xls").read_bytes()[:600])
    with pytest.raises(DataError, match="y.xls: not readable as a workbook"):
        inspect_workbook(tmp_path / "y.xls")


@pytest.mark.parametrize(
    ("limit", "value", "reason"), [("TRIAL_S", 0.01, "0.01 s"), ("TRIAL_MEMORY_BYTES", 2**20, "memory")]
)
def test_an_old_workbook_may_not_take_any_time_or_memory(tmp_path, monkeypatch, limit, value, reason):
    monkeypatch.setattr(workbook_scan, limit, value)
    write_old_workbook(tmp_path / "x.xls")
    with pytest.raises(DataError, match=f"it takes more than .*{reason}"):
        inspect_workbook(tmp_path / "x.xls")
