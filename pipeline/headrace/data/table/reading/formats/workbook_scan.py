"""A scan of a workbook's XML before it is opened: how large its sheets are, and how many cells are errors.

The library that reads workbooks holds a sheet as a full rectangle, which may fill the memory, and
returns the same empty text for an empty cell and for an error.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

from headrace.data.sources.limits import LIMITS, UnpackBudget
from headrace.errors import USER_ERRNOS, DataError

MAX_UNPACKED_BYTES = 4 * 2**30
MAX_CELLS = 50_000_000
"""Cells of a sheet's rectangle; each takes some 32 bytes."""
ERROR_CELL = b' t="e"'
PLACE = re.compile(rb"""\br\s*=\s*["']([A-Za-z]*)(\d+)["']""")
"""The column and row of a cell, or the row alone."""
BLOCK_BYTES, OVERLAP_BYTES = 2**20, 64
LETTERS = 26
TRIAL_S, TRIAL_MEMORY_BYTES = 120, 2 * 2**30
TRIAL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
import python_calamine
try:
    workbook = python_calamine.CalamineWorkbook.from_path(sys.argv[1])
    for name in workbook.sheet_names:
        workbook.get_sheet_by_name(name)
except BaseException as error:
    print("has a password" if isinstance(error, python_calamine.PasswordError) else error)
    sys.exit(1)
"""


def inspect_workbook(path: Path) -> int:
    """Returns the number of error cells of an .xlsx file; 0 for an .xls file, which cannot be searched.

    Raises DataError for a file that is empty or damaged, or that would fill the memory.
    """
    stat = path.stat()
    if not stat.st_size:
        raise DataError(f"{path}: is empty; give a table that has rows")
    return _inspect(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=32)  # a file is opened twice: for its first rows, and for all
def _inspect(path: Path, packed_bytes: int, changed_ns: int) -> int:
    del changed_ns
    if not zipfile.is_zipfile(path):
        _try_to_open(path)
        return 0
    budget = UnpackBudget(LIMITS._replace(max_bytes=MAX_UNPACKED_BYTES), packed_bytes, str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                budget.add_entry()
                budget.add_bytes(member.file_size)
            names = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
            return sum(_scan_sheet(path, archive, name) for name in names)
    except (
        zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, OSError,
    ) as error:  # fmt: skip
        if isinstance(error, OSError) and error.errno in USER_ERRNOS:
            raise
        raise DataError(f"{path}: not readable as a workbook ({error}); save it again, or export it as CSV") from None


def _try_to_open(path: Path) -> None:
    """Opens an .xls file in another process first: a damaged one may take any time and memory, or abort."""
    try:
        process = subprocess.run(
            [sys.executable, "-c", TRIAL, str(path), str(TRIAL_MEMORY_BYTES)],
            capture_output=True, timeout=TRIAL_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        reason = f"it takes more than {TRIAL_S} s"
    else:
        if process.returncode == 0:
            return
        lines = process.stdout.decode("utf-8", "replace").splitlines()
        reason = lines[0] if lines else f"it takes more than {TRIAL_MEMORY_BYTES // 2**30} GiB of memory, or is damaged"
    raise DataError(f"{path}: not readable as a workbook ({reason}); save it again, or export it as CSV")


def _scan_sheet(path: Path, archive: zipfile.ZipFile, name: str) -> int:
    num_errors, num_rows, columns, end = 0, 0, set[bytes](), b""
    with archive.open(name) as file:
        while block := file.read(BLOCK_BYTES):
            num_errors += (end[1 - len(ERROR_CELL) :] + block).count(ERROR_CELL)
            text = end + block
            places = PLACE.findall(text)
            columns.update(column for column, _ in places)
            num_rows = max(num_rows, *(int(row) for row in {row for _, row in places}), 0)
            end = block[-OVERLAP_BYTES:]
    num_columns = max(map(_to_number, columns), default=0)
    if num_rows * num_columns > MAX_CELLS:
        raise DataError(
            f"{path}: {name} spans {num_rows:,} rows and {num_columns:,} columns, more than the {MAX_CELLS:,} cells"
            " that are read; delete the cells far away from the table, or export it as CSV"
        )
    return num_errors


def _to_number(letters: bytes) -> int:
    """The position of a column from 1: A, ..., Z, AA, ..."""
    number = 0
    for letter in letters.upper():
        number = number * LETTERS + letter - ord("A") + 1
    return number
