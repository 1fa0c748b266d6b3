"""Columns that only the names of folders have, as Spark, DuckDB and Athena write them: `year=2024/part-0.parquet`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from headrace.contracts import Assumption
from headrace.data.table.reading.table_file import FileRows, OpenTableFile

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
INTEGER = re.compile(r"[+-]?\d{1,10}")
MAX_INTEGER = 2**31 - 1
"""pyarrow reads larger numbers as texts."""


def find_partitions(paths: Iterable[Path], top: Path) -> dict[Path, dict[str, str | None]]:
    """The cells of each file that the names of its folders below `top` give, as pyarrow's `partitioning="hive"`.

    A column is one of integers if all of its values are: 01 is 1 then.
    """
    cells = {path: _parse_folders(path.relative_to(top).parts[:-1]) for path in paths}
    names = dict.fromkeys(name for row in cells.values() for name in row)
    integers = {name for name in names if all(_is_integer(row[name]) for row in cells.values() if row.get(name))}
    return {
        path: {name: _to_cell(row.get(name), is_integer=name in integers) for name in names}
        for path, row in cells.items()
    }


def add_columns(opened: OpenTableFile, cells: Mapping[str, str | None]) -> OpenTableFile:
    """Gives every row of a file the same cells in further columns; a column that the file has is left as it is."""
    added = {name: cell for name, cell in cells.items() if name not in opened.names}
    if not added:
        return opened

    def extend(rows: FileRows) -> FileRows:
        columns = [pa.repeat(pa.scalar(cell, pa.string()), rows.cells.num_rows) for cell in added.values()]
        names = [*rows.cells.schema.names, *added]
        return rows._replace(cells=pa.record_batch([*rows.cells.columns, *columns], names=names))

    return opened._replace(names=[*opened.names, *added], batches=map(extend, opened.batches))


def assume_partitions(names: Iterable[str]) -> list[Assumption]:
    """A remark for each column that only the names of folders have."""
    return [
        Assumption(
            stage="ingest",
            subject=f"column {name!r}",
            text=f"its cells are in the names of folders ({name}=...)",
            setting=f"ingest.columns: {{{name}: ignore}}",
        )
        for name in names
    ]


def _parse_folders(folders: Iterable[str]) -> dict[str, str | None]:
    pairs = [folder.partition("=") for folder in folders]
    return {name: None if cell == NO_VALUE else unquote(cell) for name, equals, cell in pairs if name and equals}


def _is_integer(cell: str | None) -> bool:
    return cell is None or (INTEGER.fullmatch(cell) is not None and abs(int(cell)) <= MAX_INTEGER)


def _to_cell(cell: str | None, *, is_integer: bool) -> str | None:
    return str(int(cell)) if cell and is_integer else cell
