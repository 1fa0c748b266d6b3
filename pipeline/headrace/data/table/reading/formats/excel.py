"""Reads workbooks of Excel and OpenDocument: one sheet, whose header row is found below titles and notes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from headrace.contracts import Assumption
from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.table.reading.formats.cell_text import batch_values, format_column, format_scalar
from headrace.data.table.reading.formats.workbook_scan import inspect_workbook
from headrace.data.table.reading.table_file import (
    FileRows,
    OpenTableFile,
    check_same_columns,
    check_uncompressed,
    check_unique_names,
)
from headrace.errors import ConfigError, DataError, choices

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

HEADER_SEARCH_ROWS = 50
"""Rows in which the header is searched."""
LOADED: dict[tuple[Path, int, int, str | None], tuple[CalamineSheet, list[Assumption]]] = {}
"""The sheet that was loaded last, by its file, size, time and name, until it is used once more; at most one."""


class SheetLayout(NamedTuple):
    """Where a sheet's table is."""

    names: list[str]
    columns: list[int]
    """Their positions in the sheet."""
    first_row: int
    """Rows above the first one of the table, with the header."""
    assumptions: list[Assumption]


def open_excel(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Opens the sheet of the settings, or the first that has rows; raises DataError if the file is damaged."""
    check_uncompressed(path, "Excel")
    num_errors = inspect_workbook(path)
    with translate_excel_errors(path):
        sheet, chosen = _load_sheet(path, options.table.sheet)
        layout = _find_table(path, sheet, options.table)
    check_unique_names(path, layout.names)
    if expected is not None:
        check_same_columns(path, layout.names, expected)
    assumptions = [*chosen, *layout.assumptions, *_assume_errors(num_errors)]
    return OpenTableFile(layout.names, _read(sheet, layout), options.table, assumptions=assumptions)


@contextmanager
def translate_excel_errors(path: Path) -> Iterator[None]:
    """Raises DataError for a workbook that is damaged or has a password."""
    from python_calamine import CalamineError, PasswordError

    try:
        yield
    except PasswordError:
        raise DataError(f"{path}: has a password; save it without one") from None
    except (CalamineError, OSError, ValueError, OverflowError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: not readable as a workbook ({reason}); save it again, or export it as CSV") from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # an assertion in Rust, which is no Exception
            raise
        raise DataError(f"{path}: not readable as a workbook; save it again, or export it as CSV") from None


def _load_sheet(path: Path, wanted: str | None) -> tuple[CalamineSheet, list[Assumption]]:
    """Loads a sheet, or takes the one that was loaded last: a table is opened for its first rows, and for all."""
    from python_calamine import CalamineWorkbook

    stat = path.stat()
    key = (path, stat.st_size, stat.st_mtime_ns, wanted)
    loaded = LOADED.pop(key, None)
    LOADED.clear()
    if loaded is None:
        loaded = LOADED[key] = _choose_sheet(path, CalamineWorkbook.from_path(path), wanted)
    return loaded


def _choose_sheet(path: Path, workbook: CalamineWorkbook, wanted: str | None) -> tuple[CalamineSheet, list[Assumption]]:
    names = workbook.sheet_names
    if wanted is not None:
        if wanted not in names:
            raise ConfigError(
                f"params.yaml: ingest.table.sheet: {path.name} has no {wanted!r}; {choices(wanted, names)}"
            )
        return workbook.get_sheet_by_name(wanted), []
    sheets = ((name, workbook.get_sheet_by_name(name)) for name in names)
    name, sheet = next(((name, sheet) for name, sheet in sheets if sheet.height > 1), ("", None))
    if sheet is None:
        raise DataError(f"{path}: none of its {len(names)} sheets has rows; give a table that has rows")
    others = [other for other in names if other != name]
    if not others:
        return sheet, []
    text = f"sheet {name!r} is read, the first with rows, and not {', '.join(map(repr, others))}"
    setting = f"ingest.table.sheet: {json.dumps(others[0], ensure_ascii=False)}"
    return sheet, [_remark("sheet", text, setting, is_warning=True)]


def _find_table(path: Path, sheet: CalamineSheet, table: TableFormat) -> SheetLayout:
    rows = list(islice(_number_rows(sheet), table.skip_lines + HEADER_SEARCH_ROWS))
    top = [(number, cells) for number, cells in rows if number > table.skip_lines and any(cell != "" for cell in cells)]
    if not top:
        raise DataError(f"{path}: sheet {sheet.name!r} is empty; give a table that has rows, or ingest.table.sheet")
    used = _find_used_columns(sheet, top)
    number, header = next((row for row in top if _is_header(row[1], used)), top[0])
    has_header = table.header
    if has_header == "auto":
        has_header = table.names is None and any(isinstance(header[index], str) and header[index] for index in used)
    names = [f"column_{position}" for position in range(len(used))]
    if has_header:
        written = [format_scalar(header[index]) or "" for index in used]
        names = [name.strip() or default for name, default in zip(written, names, strict=True)]
    if table.names is not None:
        if len(table.names) != len(used):
            raise ConfigError(
                f"params.yaml: ingest.table.names: got {len(table.names)} names, but {path} has {len(used)} columns;"
                " give one for each column"
            )
        names = table.names
    assumptions = _assume_layout(sheet, number, [row[0] for row in top], table)
    return SheetLayout(names, used, number if has_header else number - 1, assumptions)


def _find_used_columns(sheet: CalamineSheet, top: Sequence[tuple[int, list[Any]]]) -> list[int]:
    """Positions of the columns that have a cell in any row; most have one in the first rows."""
    empty = {index for index in range(len(top[0][1])) if all(cells[index] == "" for _, cells in top)}
    for _, cells in _number_rows(sheet) if empty else ():
        if any(cells[index] != "" for index in empty):
            empty = {index for index in empty if cells[index] == ""}
            if not empty:
                break
    return [index for index in range(len(top[0][1])) if index not in empty]


def _is_header(cells: Sequence[Any], used: Sequence[int]) -> bool:
    """Whether more than half of the columns are filled, or all but the first, as in front of an index of pandas."""
    filled = [cells[index] != "" for index in used]
    return 2 * sum(filled) > len(used) or all(filled[1:])


def _assume_layout(sheet: CalamineSheet, header: int, filled: Sequence[int], table: TableFormat) -> list[Assumption]:
    assumptions = []
    num_above = sum(number < header for number in filled)
    if num_above and not table.skip_lines:
        text = f"the table begins in row {header}; {num_above} rows above it are left out"
        assumptions.append(_remark("header", text, f"ingest.table.skip_lines: {filled[0] - 1}", is_warning=True))
    merged = [area for area in sheet.merged_cell_ranges or [] if area[1][0] >= header]
    if merged:
        text = f"{len(merged)} areas of merged cells: the first cell has the value, the others are empty"
        assumptions.append(_remark("merged cells", text, "none: fill the cells in the workbook", is_warning=True))
    return assumptions


def _assume_errors(num_errors: int) -> list[Assumption]:
    if not num_errors:
        return []
    text = f"{num_errors:,} cells of the workbook are errors, such as #N/A; they are read as empty"
    return [_remark("error cells", text, "none: correct the formulas in the workbook", is_warning=True)]


def _read(sheet: CalamineSheet, layout: SheetLayout) -> Iterator[FileRows]:
    rows = (
        (number, [cells[index] for index in layout.columns])
        for number, cells in _number_rows(sheet)
        if number > layout.first_row and cells.count("") < len(cells)
    )
    return batch_values(rows, layout.names, _to_cells, _to_column)


def _to_cells(_: int, values: Sequence[Any]) -> list[str | None]:
    return [None if value == "" else format_scalar(value) for value in values]


def _to_column(values: Sequence[Any]) -> pa.Array:
    return format_column([None if value == "" else value for value in values] if "" in values else values)


def _number_rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[Any]]]:
    """The rows with their numbers in the sheet, from 1."""
    return enumerate(sheet.iter_rows(), 1)


def _remark(subject: str, text: str, setting: str, *, is_warning: bool = False) -> Assumption:
    return Assumption(stage="ingest", subject=subject, text=text, setting=setting, is_warning=is_warning)
